//! Watchers that read little or nothing, on a thread of their own, which also looks at what they cost.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use herenow_client::protocol::limits::FRAME_PREFIX_BYTES;
use herenow_client::protocol::{ClientMessage, RoomName, WatchTarget};
use socket2::{Domain, Socket, Type};

use crate::clock;
use crate::failure::{Failure, Tried as _};
use crate::kernel;
use crate::people;
use crate::rhythm::{Rhythm, wait};
use crate::server::Server;

/// What the kernel may keep for a reader, so that what is not read stays with the server.
const RECEIVE_BUFFER: usize = 4_096;

/// Bytes of one read: 1 KB/s, as each slow reader reads once a second.
const READ_BYTES: usize = 1_024;
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// Everyone beats, as the server would else take the silent for dead. It is the server's default.
const BEAT_INTERVAL: Duration = Duration::from_secs(2);

/// How often the memory of the server and of the kernel is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Between two turns, at least and at most: short enough to be punctual and to notice the end.
const SLEEP: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// A sign-in that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who watches the lobby and does not read much.
pub(super) struct Reader {
    pub(super) stream: TcpStream,
    /// What was read behind the welcome.
    pub(super) taken: Vec<u8>,
    /// The server has closed.
    pub(super) gone: bool,
}

/// Some who never read, and some who read 1 KB/s.
#[derive(Default)]
pub(super) struct Readers {
    stuck: Vec<Reader>,
    pub(super) slow: Vec<Reader>,
}

/// The most that was seen of each while it went on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peaks {
    pub(super) rss_bytes: u64,
    /// Of the server's sockets to all readers.
    pub(super) kernel_bytes: u64,
}

impl Peaks {
    fn look(&mut self, server: &Server, ports: &HashSet<u16>) -> Result<(), Failure> {
        let held = kernel::write_queues(server.address, ports);
        self.kernel_bytes = self.kernel_bytes.max(held.tried("asking the kernel about sockets")?);
        self.rss_bytes = self.rss_bytes.max(server.account.rss_bytes()?);
        Ok(())
    }
}

impl Reader {
    /// Signs this person in and asks to watch the lobby. Only the welcome is read.
    fn sign_in(server: SocketAddr, who: usize) -> Result<Self, Failure> {
        let stream = connect(server).tried("connecting a slow reader")?;
        let mut taken = Vec::new();
        let mut talk = || {
            (&stream).write_all(&people::hello(who, BEAT_INTERVAL))?;
            let mut prefix = [0; FRAME_PREFIX_BYTES];
            (&stream).read_exact(&mut prefix)?;
            taken.resize(usize::from(u16::from_be_bytes(prefix)), 0);
            (&stream).read_exact(&mut taken)
        };
        talk().tried("signing a slow reader in")?;
        people::welcome(who, &taken)?;
        taken.clear();
        let target = WatchTarget::Room(RoomName::lobby());
        let watch = ClientMessage::Watch { request: 1, target }.encode();
        (&stream).write_all(&watch).tried("asking to watch")?;
        stream.set_nonblocking(true).tried("reading without waiting")?;
        Ok(Self { stream, taken, gone: false })
    }

    /// Reads a little, if there is anything.
    fn sip(&mut self) {
        let mut little = [0; READ_BYTES];
        match self.stream.read(&mut little) {
            Ok(got @ 1..) => self.taken.extend_from_slice(&little[..got]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.gone = true,
        }
    }

    /// The kernel has room for a beat, unless the server has closed.
    fn beat(&mut self, n: u64) {
        let beat = people::heartbeat(n);
        let closed = |error: io::Error| error.kind() != ErrorKind::WouldBlock;
        self.gone |= self.stream.write_all(&beat).is_err_and(closed);
    }
}

impl Readers {
    /// Signs so many in, numbered from `first` on.
    pub(super) fn sign_in(
        server: SocketAddr,
        first: usize,
        stuck: usize,
        slow: usize,
    ) -> Result<Self, Failure> {
        let people = |from: usize, count: usize| {
            (from..from + count).map(|who| Reader::sign_in(server, who)).collect::<Result<_, _>>()
        };
        Ok(Self { stuck: people(first, stuck)?, slow: people(first + stuck, slow)? })
    }

    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.stuck.len() + self.slow.len()
    }

    /// By which local ports the kernel knows them.
    fn ports(&self) -> io::Result<HashSet<u16>> {
        let everyone = self.stuck.iter().chain(&self.slow);
        everyone.map(|reader| Ok(reader.stream.local_addr()?.port())).collect()
    }

    /// Reads and beats until `over`, and looks at what they cost meanwhile.
    pub(super) fn linger(&mut self, server: &Server, over: &AtomicBool) -> Result<Peaks, Failure> {
        let began = clock::now();
        let mut reads = Rhythm::of_many(began, READ_INTERVAL, self.slow.len());
        let mut beats = Rhythm::of_many(began, BEAT_INTERVAL, self.len());
        let mut looks = Rhythm::new(began, LOOK_INTERVAL);
        let ports = self.ports().tried("asking for a port")?;
        let mut peaks = Peaks::default();
        while !over.load(Ordering::Relaxed) {
            let now = clock::now();
            while let Some((turn, _)) = reads.take(now) {
                if let Some((reader, _)) = whose_turn(&mut [&mut self.slow], turn) {
                    reader.sip();
                }
            }
            while let Some((turn, _)) = beats.take(now) {
                if let Some((reader, n)) = whose_turn(&mut [&mut self.stuck, &mut self.slow], turn)
                {
                    reader.beat(n);
                }
            }
            if looks.take(now).is_some() {
                peaks.look(server, &ports)?;
            }
            sleep(wait(now, reads.due().min(beats.due())).clamp(SLEEP.0, SLEEP.1));
        }
        peaks.look(server, &ports)?;
        Ok(peaks)
    }
}

/// Whose turn it is among some groups, if there is anybody, and which of their own turns, from 1.
fn whose_turn<'a>(groups: &'a mut [&mut Vec<Reader>], turn: u64) -> Option<(&'a mut Reader, u64)> {
    let count = groups.iter().map(|group| group.len() as u64).sum();
    let round = turn.checked_div(count)?;
    let place = usize::try_from(turn % count).ok()?;
    let reader = groups.iter_mut().flat_map(|group| group.iter_mut()).nth(place)?;
    Some((reader, round + 1))
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Before connecting, as the window is agreed on then.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.connect(&server.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}
