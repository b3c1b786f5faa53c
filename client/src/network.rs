//! Is this computer's own network there?
//!
//! [`is_up`] decides and is pure; [`interfaces`] asks the operating system. A cable pulled at this end is seen here
//! within half a second, while TCP alone would stay silent for minutes.

use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// One address of one network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// It is switched on and has a carrier.
    pub running: bool,
    /// It leads to this computer only.
    pub loopback: bool,
    /// The address, `None` for one that is not of IP.
    pub address: Option<IpAddr>,
}

/// Whether the network over which `local` was reached is there.
///
/// While `connected`, only the interface that carries `local` counts: no other can carry the connection on. Without a
/// connection any interface will do that has an address which leads out of this computer.
#[must_use]
pub fn is_up(interfaces: &[Interface], local: IpAddr, connected: bool) -> bool {
    let local = local.to_canonical();
    let carries = |interface: &&Interface| interface.address == Some(local);
    let carried = interfaces.iter().filter(carries).any(|interface| interface.running);
    carried || (!connected && interfaces.iter().any(leads_out))
}

/// The interfaces of this process's network namespace, one for each address. Empty if they cannot be read, as
/// in a sandbox: then nothing can be said, and the caller must not conclude that the network is down.
#[must_use]
pub fn interfaces() -> Vec<Interface> {
    getifaddrs().map(|found| found.map(Interface::from).collect()).unwrap_or_default()
}

fn leads_out(interface: &Interface) -> bool {
    let routable = match interface.address {
        Some(IpAddr::V4(v4)) => !v4.is_link_local() && !v4.is_loopback(),
        Some(IpAddr::V6(v6)) => !v6.is_unicast_link_local() && !v6.is_loopback(),
        None => false,
    };
    interface.running && !interface.loopback && routable
}

impl From<InterfaceAddress> for Interface {
    fn from(found: InterfaceAddress) -> Self {
        // The kernel tells of a lost carrier by IFF_RUNNING up to a second late, by IFF_LOWER_UP at once.
        let running =
            InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING | InterfaceFlags::IFF_LOWER_UP;
        Self {
            name: found.interface_name,
            running: found.flags.contains(running),
            loopback: found.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            address: found.address.as_ref().and_then(ip_address),
        }
    }
}

fn ip_address(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    let v6 = || address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()));
    v4.or_else(v6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, running: bool, address: &str) -> Interface {
        let address: IpAddr = address.parse().expect("a test address is valid");
        Interface {
            name: name.into(),
            running,
            loopback: address.is_loopback(),
            address: Some(address),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a test address is valid")
    }

    #[test]
    fn a_connection_lives_and_dies_with_the_interface_that_carries_it() {
        let wifi = interface("wlan0", true, "192.168.1.7");
        let local = ip("10.77.0.2");
        assert!(is_up(&[wifi.clone(), interface("eth0", true, "10.77.0.2")], local, true));
        assert!(
            !is_up(&[wifi.clone(), interface("eth0", false, "10.77.0.2")], local, true),
            "no carrier"
        );
        assert!(!is_up(&[wifi], local, true), "the address is gone");
    }

    #[test]
    fn without_a_connection_any_way_out_will_do() {
        let lo = interface("lo", true, "127.0.0.1");
        let local = ip("10.77.0.2");
        let down = interface("eth0", false, "10.77.0.2");
        assert!(!is_up(&[lo.clone(), down.clone()], local, false));
        assert!(
            !is_up(&[lo.clone(), interface("eth1", true, "fe80::1")], local, false),
            "link-local"
        );
        assert!(is_up(&[lo, down, interface("wlan0", true, "192.168.1.7")], local, false));
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        let eth = [interface("eth0", true, "10.77.0.2")];
        assert!(is_up(&eth, ip("::ffff:10.77.0.2"), true));
    }

    #[test]
    fn the_loopback_of_this_computer_is_found() {
        let found = interfaces();
        assert!(found.iter().any(|interface| interface.loopback), "{found:?}");
    }
}
