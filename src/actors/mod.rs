//! The shells: everything that names actix, opens a socket or reads a clock.
//!
//! ```text
//!                 arbiter 0                              arbiter 1 ..
//!   ListenerActor -> SessionActor (many)       ListenerActor -> SessionActor (many)
//!                     |        ^ Line                            |        ^ Line
//!         FromSession |        | bytes               FromSession |        | bytes
//!                     v        |                                 v        |
//!              RegistryActor   FanoutActor                        ..      FanoutActor
//!                     |        ^                                          ^
//!                     +--------+---------- Publish, ToSession ------------+
//! ```
//!
//! **Who owns whom.** [`crate::run`] starts the one registry, and on each arbiter a fan-out and a
//! listener, and another listener where TLS is spoken. A listener starts a session for each connection, after the
//! handshake if it speaks TLS. A [`line::Line`] is one connection's
//! outbox and its socket; the sessions and the fan-out of one arbiter share them
//! through [`lines::Lines`], which never leave their thread.
//!
//! **Messages**: [`messages`], one page. **Order**: a session's commands reach the registry one at a
//! time; what the registry publishes or delivers to a session goes through the fan-out of the session's
//! arbiter, so pages and deltas arrive in the order in which they were decided. Nothing is promised
//! across sessions.
//!
//! **Bounds.** The registry's mailbox: at most one unanswered command and one request for pages per
//! session. A fan-out's mailbox: what the registry answers, and one publication of each room. Nothing is published while
//! any arbiter still writes what was published before: see [`publication`]. Changes wait in the rosters meanwhile, where
//! the newest state of a user replaces the older one. A line: see [`outbox`].
//!
//! **Watching over it**: [`pulse`] sends a probe through the registry every second; [`admin`] answers whoever asks over HTTP how
//! the server is. Each arbiter counts what it does in plain numbers, see [`crate::counts`], which are added up when asked for.
//!
//! **Shutdown**: listeners stop, the registry publishes no more, each fan-out says goodbye on every
//! line and waits for them to drain, arbiters stop.

pub mod admin;
pub mod desk;
pub mod fanout_actor;
pub mod gate;
pub mod line;
pub mod lines;
pub mod listener_actor;
pub mod messages;
pub mod outbox;
pub mod publication;
pub mod pulse;
pub mod registry_actor;
pub mod session_actor;
pub mod socket;
mod tls_socket;

#[cfg(test)]
mod tests;
