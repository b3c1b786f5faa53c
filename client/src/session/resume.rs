//! What continues a session from another connection.

use std::time::{Duration, Instant};

use herenow_protocol::{CloseReason, Epoch, Hello, Resume, ResumeToken, ViewId, Welcome};

use crate::Disconnect;
use crate::reconnect::{JITTER_MAX, resume_range};

/// The right to go on with the last session. It is kept until the next `Welcome`: only the server knows whether it is
/// still good for anything.
#[derive(Debug)]
pub(super) struct Ticket {
    token: ResumeToken,
    epoch: Epoch,
    /// How long a lost session can be resumed.
    window: Duration,
    /// The silence that ends a connection.
    silence: Duration,
    /// When the connection was lost.
    lost_at: Option<Instant>,
}

impl Ticket {
    /// The ticket that this `Welcome` gives; none to an observer.
    pub(super) fn of(welcome: &Welcome) -> Option<Self> {
        welcome.token.map(|token| Self {
            token,
            epoch: welcome.epoch,
            window: Duration::from_millis(welcome.resume_window_ms),
            silence: Duration::from_millis(welcome.heartbeat_ms) * welcome.misses,
            lost_at: None,
        })
    }

    /// The epoch in which the views are that can go on.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What a `Hello` says to go on with the session and these views.
    pub(super) fn resume(&self, views: Vec<(ViewId, u64)>) -> Resume {
        Resume { token: self.token, epoch: Some(self.epoch), views }
    }

    /// The connection, or a try to make another, ended. Returns how far the jitter may reach.
    pub(super) fn lost(&mut self, now: Instant) -> Duration {
        let lost_at = *self.lost_at.get_or_insert(now);
        match now.saturating_duration_since(lost_at) < self.window {
            true => resume_range(self.silence),
            false => JITTER_MAX,
        }
    }
}

/// Whether an end is the session's, not only the connection's.
pub(super) fn ends_session(reason: &Disconnect) -> bool {
    use CloseReason as R;
    match reason {
        Disconnect::Left => true,
        Disconnect::Goodbye { reason, .. } => matches!(
            reason,
            R::Goodbye | R::Replaced | R::NameInUse | R::InternalError | R::ProtocolError(_)
        ),
        _ => false,
    }
}

/// Shortens a `Hello` until it fits the frame: first the text goes, then the views. Returns whether the text went.
pub(super) fn shorten(hello: &mut Hello) -> bool {
    let mut without_text = false;
    if !hello.fits() {
        without_text = hello.choice.text.take().is_some();
        hello.choice.text_for = None;
    }
    while !hello.fits()
        && let Some(resume) = &mut hello.resume
        && resume.views.pop().is_some()
    {}
    without_text
}
