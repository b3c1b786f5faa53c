//! A plain echo: one task per connection, which reads and answers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use clap::Args;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::ready_made;

/// Bytes of the one read buffer. It belongs to the thread: a connection that holds a buffer of its own, empty nearly all
/// the time, would make the floor heavier than it must be.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Answers that leave in one write.
const TOGETHER_MAX: usize = 64;

/// Sizes of the conversation.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Echo {
    /// Bytes of every request's frame
    #[arg(long)]
    pub(crate) request_bytes: usize,
    /// Bytes of every answer's frame
    #[arg(long)]
    pub(crate) answer_bytes: usize,
}

/// What all connections share.
struct Shared {
    request_bytes: usize,
    answer_bytes: usize,
    /// Several answers, for requests that came together.
    answers: Vec<u8>,
    scratch: RefCell<Vec<u8>>,
}

impl Echo {
    pub(super) fn arguments(self) -> Vec<String> {
        let Self { request_bytes, answer_bytes } = self;
        let sizes = ["--request-bytes".into(), request_bytes.to_string()];
        let answers = ["--answer-bytes".into(), answer_bytes.to_string()];
        ["echo".into()].into_iter().chain(sizes).chain(answers).collect()
    }

    pub(super) async fn serve(self, listener: &TcpListener) -> io::Result<()> {
        let shared = Rc::new(Shared {
            request_bytes: self.request_bytes.max(1),
            answer_bytes: self.answer_bytes.max(2),
            answers: ready_made(self.answer_bytes).repeat(TOGETHER_MAX),
            scratch: RefCell::new(vec![0; SCRATCH_BYTES]),
        });
        let accept = async {
            loop {
                let (stream, _) = listener.accept().await?;
                spawn_local(converse(stream, shared.clone()));
            }
        };
        LocalSet::new().run_until(accept).await
    }
}

/// Answers until the other end closes. What it holds between reads is the stream and a count.
async fn converse(mut stream: TcpStream, shared: Rc<Shared>) {
    let mut pending = 0;
    while let Ok(got @ 1..) = read(&mut stream, &shared).await {
        pending += got;
        while pending >= shared.request_bytes {
            let together = (pending / shared.request_bytes).min(TOGETHER_MAX);
            pending -= together * shared.request_bytes;
            let answers = &shared.answers[..together * shared.answer_bytes];
            if stream.write_all(answers).await.is_err() {
                return;
            }
        }
    }
}

/// Reads into the shared buffer; returns how much came, 0 at the end.
async fn read(stream: &mut TcpStream, shared: &Shared) -> io::Result<usize> {
    poll_fn(|context| {
        let mut scratch = shared.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}
