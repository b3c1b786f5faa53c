//! The headless client of herenow: signs in, keeps a list that proves itself, notices within the
//! announced bound when the server is gone, and comes back by itself.
//!
//! ```no_run
//! use herenow_client::protocol::DisplayName;
//! use herenow_client::{Event, Options, connect, device_id};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::new("127.0.0.1", DisplayName::new("ada")?, device_id()?);
//! let (client, mut connection) = connect(options);
//! while let Some(event) = connection.next().await {
//!     match event {
//!         Event::Snapshot { .. } => println!("{} here", connection.view().len()),
//!         Event::Joined { entry, .. } => println!("{} came", entry.name),
//!         Event::Left { entry, cause, .. } => println!("{} left: {cause}", entry.name),
//!         Event::Closed { reason, .. } => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! # drop(client);
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`event`] and [`query`] (what a program is told), [`session`] (the rules, with [`view`],
//! [`heartbeat`] and [`reconnect`] below it), [`connection`] (the shell that owns the socket), [`link`]
//! (how a socket comes about) and [`network`] (is this computer's own network there?).
//!
//! `view`, `heartbeat`, `reconnect` and `session` are pure: they know no socket, no runtime and no clock,
//! and draw every random number from one seed. The same rules therefore run in simulations.

pub mod address;
mod client;
mod clock;
pub mod connection;
pub mod event;
pub mod heartbeat;
pub mod link;
pub mod network;
mod options;
pub mod query;
pub mod reconnect;
mod secrets;
pub mod session;
mod tls;
mod trust;
pub mod view;

pub use client::{Client, TooMany};
pub use connection::{Connection, connect, connect_through};
pub use event::{Disconnect, Event};
pub use herenow_protocol as protocol;
pub use options::{LISTS_BYTES_MAX, Options, PEOPLE_MAX, PERSON_BYTES, ViewKey};
pub use query::{Answer, QueryError};
pub use secrets::{
    device_id, keep_credential, known_operator_key, operator_key, set_user_key, state_folder,
    user_key,
};
pub use trust::{Distrust, Trust};
pub use view::View;
