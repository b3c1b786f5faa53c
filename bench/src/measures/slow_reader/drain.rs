//! After the changes: who read slowly reads all of it now, and must end in an exact view.

use std::time::Duration;

use herenow_client::protocol::Epoch;
use herenow_client::protocol::frame::split_body;
use herenow_client::protocol::limits::FRAME_BYTES_MAX;

use super::readers::{Reader, Readers};
use crate::clock;
use crate::crowd::{Crowd, Heard};
use crate::failure::Failure;
use crate::patience::{Patience, TURN};
use crate::people;
use crate::server::Server;
use crate::watchers::{Told, Watchers};

/// Exact views take a moment; more than this, and they never come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of the heartbeat that asks for a proof; the readers have used none as high.
const LAST_BEAT: u64 = 1 << 50;

/// How those who read slowly ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drained {
    /// Whose connection the server had closed.
    pub(super) disconnected: usize,
    /// Until the last of the others was exact.
    pub(super) exact_after: Duration,
}

/// Reads everything that waits for the slow readers, until each has proved its view at `version` or a later one.
pub(super) fn drain(
    server: &Server,
    readers: &mut Readers,
    epoch: Epoch,
    version: u64,
) -> Result<Drained, Failure> {
    let began = clock::now();
    let slow = std::mem::take(&mut readers.slow);
    let mut watchers = Watchers::new(epoch, 0, slow.len());
    let mut crowd = Crowd::new(server.address)?;
    let mut open = vec![true; slow.len()];
    let mut disconnected = 0;
    for (who, reader) in slow.into_iter().enumerate() {
        if !take_over(&mut crowd, &mut watchers, who, reader)? {
            open[who] = false;
            disconnected += 1;
        }
    }
    crowd.expect_closes();
    let patience = Patience::new("slow views to become exact", PATIENCE);
    while open.contains(&true) {
        crowd.turn(TURN, |lines, who, heard| {
            if !open[who] {
                return Ok(());
            }
            match told(&mut watchers, who, heard)? {
                None => {
                    open[who] = false;
                    disconnected += 1;
                }
                Some(Told::Ack { n: LAST_BEAT, proved }) if proved >= Some(version) => {
                    open[who] = false;
                }
                Some(Told::Ack { n: LAST_BEAT, .. }) => {
                    lines.send(who, &people::heartbeat(LAST_BEAT))?;
                }
                Some(_) => {}
            }
            Ok(())
        })?;
        patience.check()?;
    }
    Ok(Drained { disconnected, exact_after: clock::now() - began })
}

/// What a watcher was told; `None` if that was the end.
fn told(watchers: &mut Watchers, who: usize, heard: Heard<'_>) -> Result<Option<Told>, Failure> {
    let body = match heard {
        Heard::Frame(body) => body,
        Heard::Connected => return Ok(Some(Told::Watching)),
        Heard::Closed => return Ok(None),
    };
    match watchers.hear(who, body) {
        Err(Failure::Goodbye { .. }) => Ok(None),
        told => told.map(Some),
    }
}

/// Applies what a reader has read, and asks for a proof. Returns whether its connection is open.
fn take_over(
    crowd: &mut Crowd,
    watchers: &mut Watchers,
    who: usize,
    reader: Reader,
) -> Result<bool, Failure> {
    let mut rest = &reader.taken[..];
    let wrong = |error| Failure::Frame { who, error };
    let mut open = !reader.gone;
    while let Some(body) = split_body(&mut rest, FRAME_BYTES_MAX).map_err(wrong)? {
        open &= told(watchers, who, Heard::Frame(body))?.is_some();
    }
    let rest = rest.to_vec();
    crowd.adopt(mio::net::TcpStream::from_std(reader.stream), &rest)?;
    if open {
        crowd.lines().send(who, &people::heartbeat(LAST_BEAT))?;
    }
    Ok(open)
}
