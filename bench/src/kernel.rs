//! What the kernel holds for the sockets of this machine, by its own account: `sock_diag(7)`, as `ss -tm` shows it.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// `AF_NETLINK` and `NETLINK_SOCK_DIAG` of `linux/netlink.h`.
const NETLINK: i32 = 16;
const SOCK_DIAG: i32 = 4;

/// `SOCK_DIAG_BY_FAMILY`, and `NLM_F_REQUEST | NLM_F_DUMP`.
const BY_FAMILY: u16 = 20;
const DUMP: u16 = 0x301;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// `AF_INET`, `IPPROTO_TCP`, and the attribute that is asked for: `INET_DIAG_SKMEMINFO`.
const INET: u8 = 2;
const TCP: u8 = 6;
const MEMORY: u16 = 7;

/// Where `SK_MEMINFO_WMEM_QUEUED` is among the numbers of that attribute: the memory of all that was written and not
/// acknowledged, headers and slack included.
const WRITE_QUEUE: usize = 5;

/// Bytes of `nlmsghdr`, `inet_diag_req_v2` and `inet_diag_msg`.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const DIAGNOSIS: usize = 72;

/// Bytes of a connection's write queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Queue {
    local_port: u16,
    remote_port: u16,
    bytes: u64,
}

/// Kernel memory of what the connections from `server` to these local ports have to send, in bytes.
pub(crate) fn write_queues(server: SocketAddr, ports: &HashSet<u16>) -> io::Result<u64> {
    let ours =
        |queue: &Queue| queue.local_port == server.port() && ports.contains(&queue.remote_port);
    Ok(queues()?.iter().filter(|queue| ours(queue)).map(|queue| queue.bytes).sum())
}

fn queues() -> io::Result<Vec<Queue>> {
    let kind = (Domain::from(NETLINK), Type::DGRAM, Some(Protocol::from(SOCK_DIAG)));
    let mut socket = Socket::new(kind.0, kind.1, kind.2)?;
    socket.write_all(&request())?;
    let mut queues = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let got = socket.read(&mut buffer)?;
        if read(&buffer[..got], &mut queues)? {
            return Ok(queues);
        }
    }
}

/// Asks for all TCP sockets over IPv4, in whatever state.
fn request() -> Vec<u8> {
    let len = u32::try_from(HEADER + REQUEST).expect("it is short");
    let mut request = len.to_ne_bytes().to_vec();
    request.extend(BY_FAMILY.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([INET, TCP, 1 << (MEMORY - 1), 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.resize(HEADER + REQUEST, 0);
    request
}

/// Reads some messages; returns whether these were the last.
fn read(mut messages: &[u8], queues: &mut Vec<Queue>) -> io::Result<bool> {
    while let Some((len, kind)) = u32_at(messages, 0).zip(u16_at(messages, 4)) {
        match kind {
            DONE => return Ok(true),
            ERROR => return Err(refusal(messages)),
            _ => {}
        }
        let message = messages.get(HEADER..len as usize).ok_or_else(malformed)?;
        queues.extend(queue(message));
        messages = messages.get((len as usize).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The number of the error stands behind the header, negative.
fn refusal(message: &[u8]) -> io::Error {
    let number = u32_at(message, HEADER).map(u32::cast_signed).and_then(i32::checked_neg);
    number.map_or_else(malformed, io::Error::from_raw_os_error)
}

fn queue(message: &[u8]) -> Option<Queue> {
    let port = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let (local_port, remote_port) = (port(4)?, port(6)?);
    let mut attributes = message.get(DIAGNOSIS..)?;
    loop {
        let len = usize::from(u16_at(attributes, 0)?);
        if u16_at(attributes, 2)? == MEMORY {
            let bytes = u32_at(attributes, 4 + 4 * WRITE_QUEUE)?.into();
            return Some(Queue { local_port, remote_port, bytes });
        }
        attributes = attributes.get(len.max(4).next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the kernel does not say what its sockets hold")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_nobody_reads_is_held_by_the_kernel() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let reader = TcpStream::connect(server).unwrap();
        let (writer, _) = listener.accept().unwrap();
        let ports = HashSet::from([reader.local_addr().unwrap().port()]);
        assert_eq!(write_queues(server, &ports).unwrap(), 0);
        writer.set_nonblocking(true).unwrap();
        while (&writer).write(&[0; 65_536]).is_ok() {}
        assert!(write_queues(server, &ports).unwrap() > 65_536);
        assert_eq!(write_queues(server, &HashSet::new()).unwrap(), 0);
    }
}
