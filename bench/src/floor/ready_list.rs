//! A list that is ready: everyone who introduces themselves gets all of it once.

use std::io;
use std::rc::Rc;

use clap::Args;
use herenow_client::protocol::limits::SERVER_FRAME_BYTES_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::ready_made;

/// Sizes of the conversation, lengths included.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReadyList {
    /// Bytes of an introduction's frame
    #[arg(long)]
    pub(crate) request_bytes: usize,
    /// Bytes of the list, in frames as long as a server may send
    #[arg(long)]
    pub(crate) list_bytes: usize,
}

impl ReadyList {
    pub(super) fn arguments(self) -> Vec<String> {
        let Self { request_bytes, list_bytes } = self;
        let sizes = [("--request-bytes", request_bytes), ("--list-bytes", list_bytes)];
        let flags = sizes.into_iter().flat_map(|(flag, size)| [flag.into(), size.to_string()]);
        ["ready-list".to_owned()].into_iter().chain(flags).collect()
    }

    pub(super) async fn serve(self, listener: &TcpListener) -> io::Result<()> {
        let list: Rc<[u8]> = frames(self.list_bytes).into();
        let accept = async {
            loop {
                let (stream, _) = listener.accept().await?;
                spawn_local(converse(stream, self.request_bytes.max(1), list.clone()));
            }
        };
        LocalSet::new().run_until(accept).await
    }
}

/// So many bytes in full frames and a shorter one; a rest too short for a frame is left out.
pub(crate) fn frames(bytes: usize) -> Vec<u8> {
    let full = ready_made(SERVER_FRAME_BYTES_MAX);
    let mut list = full.repeat(bytes / full.len());
    let rest = bytes % full.len();
    if rest > 2 {
        list.extend(ready_made(rest));
    }
    list
}

/// Sends the list once, then holds the connection until the other end closes.
async fn converse(mut stream: TcpStream, request_bytes: usize, list: Rc<[u8]>) -> io::Result<()> {
    let mut request = vec![0; request_bytes];
    stream.read_exact(&mut request).await?;
    drop(request);
    stream.write_all(&list).await?;
    stream.read_u8().await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use herenow_client::protocol::frame::split_body;

    #[test]
    fn a_ready_list_is_whole_frames() {
        for bytes in [SERVER_FRAME_BYTES_MAX, 3 * SERVER_FRAME_BYTES_MAX + 100] {
            let list = frames(bytes);
            assert_eq!(list.len(), bytes);
            let mut rest = &list[..];
            while split_body(&mut rest, SERVER_FRAME_BYTES_MAX).unwrap().is_some() {}
            assert!(rest.is_empty());
        }
    }
}
