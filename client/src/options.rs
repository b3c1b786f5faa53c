//! What a program says about itself before it connects.

use std::time::Duration;

use herenow_protocol::{DeviceId, DisplayName, Hello, Presence};

/// Whom to be, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// `HOST` or `HOST:PORT`; an IPv6 address with a port stands in brackets. The default port is 4373.
    pub server: String,
    /// What others see.
    pub name: DisplayName,
    /// Identifies this device from sign-in to sign-in; see [`device_id`](crate::device_id).
    pub device: DeviceId,
    /// Names the device for people. Up to 64 bytes of one line, or the server refuses the sign-in.
    pub label: String,
    /// Watch without being listed.
    pub observe: bool,
    /// The wanted heartbeat interval, in whole milliseconds; `None` takes the server's.
    pub heartbeat: Option<Duration>,
    /// What to be shown with from the first moment.
    pub presence: Presence,
    /// Come back by itself after the connection ended, unless the server forbids it.
    pub reconnect: bool,
}

impl Options {
    /// A listed user with the server's heartbeat, who is available and comes back by itself.
    pub fn new(server: impl Into<String>, name: DisplayName, device: DeviceId) -> Self {
        Self {
            server: server.into(),
            name,
            device,
            label: String::new(),
            observe: false,
            heartbeat: None,
            presence: Presence::default(),
            reconnect: true,
        }
    }

    /// The sign-in that these options make.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            name: self.name.clone(),
            device: self.device.clone(),
            label: self.label.clone(),
            heartbeat: self.heartbeat,
            observe: self.observe,
            presence: self.presence.clone(),
        }
    }
}
