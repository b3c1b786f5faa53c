use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

use wayland_protocols::ext::idle_notify::v1::server::ext_idle_notification_v1 as told;
use wayland_protocols::ext::idle_notify::v1::server::ext_idle_notifier_v1 as notifier;
use wayland_server::backend::{ClientData, ClientId, DisconnectReason};
use wayland_server::protocol::wl_seat;
use wayland_server::{Client, DataInit, Dispatch, Display, DisplayHandle, GlobalDispatch, New};

use super::*;

/// How long the two threads may take to hear of each other.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the test makes the compositor say.
#[derive(Clone, Copy)]
enum Say {
    Idled,
    Resumed,
    Goodbye,
}

/// The compositor's end.
struct Fake {
    notification: Option<told::ExtIdleNotificationV1>,
}

struct Someone;

impl ClientData for Someone {
    fn initialized(&self, _: ClientId) {}
    fn disconnected(&self, _: ClientId, _: DisconnectReason) {}
}

/// A compositor that speaks the protocol if it is told to, and says what comes through `say`.
fn compositor(speaks: bool, stream: UnixStream, say: &Receiver<Say>) {
    let mut display = Display::<Fake>::new().expect("a display needs no hardware");
    let mut handle = display.handle();
    handle.create_global::<Fake, wl_seat::WlSeat, ()>(1, ());
    if speaks {
        handle.create_global::<Fake, notifier::ExtIdleNotifierV1, ()>(1, ());
    }
    handle.insert_client(stream, Arc::new(Someone)).expect("the socket is new");
    let mut fake = Fake { notification: None };
    loop {
        display.dispatch_clients(&mut fake).expect("the client speaks Wayland");
        match (say.try_recv(), &fake.notification) {
            (Ok(Say::Idled), Some(notification)) => notification.idled(),
            (Ok(Say::Resumed), Some(notification)) => notification.resumed(),
            (Ok(_), _) => return,
            _ => {}
        }
        display.flush_clients().expect("the client listens");
        thread::sleep(LOOK_EVERY);
    }
}

/// The client's end, what to say through, and the hands of its clock.
fn connected(speaks: bool) -> (Option<Compositor>, Sender<Say>, Arc<Mutex<Duration>>) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    let (say, said) = channel();
    thread::spawn(move || compositor(speaks, theirs, &said));
    let hands = Arc::new(Mutex::new(Duration::ZERO));
    let (now, passed) = (Clock::system().now(), hands.clone());
    let passed = move || *passed.lock().expect("no panic in between");
    let clock = Clock::showing(move || now + passed(), Duration::default);
    let connection = Connection::from_socket(ours);
    let connection = connection.expect("libwayland-client is there, see tools/packages.txt");
    (Compositor::over(&connection, clock), say, hands)
}

fn untouched(compositor: &mut Compositor) -> Option<Duration> {
    futures_lite::future::block_on(compositor.untouched())
}

#[track_caller]
fn expect(compositor: &mut Compositor, wanted: Option<Duration>) {
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        if untouched(compositor) == wanted {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    assert_eq!(untouched(compositor), wanted);
}

#[test]
fn what_the_compositor_says_is_counted_on() {
    let (compositor, say, hands) = connected(true);
    let mut compositor = compositor.expect("the compositor speaks the protocol");
    assert_eq!(untouched(&mut compositor), Some(Duration::ZERO));
    say.send(Say::Idled).expect("the compositor listens");
    expect(&mut compositor, Some(STEP));
    *hands.lock().expect("no panic in between") += Duration::from_secs(60);
    assert_eq!(untouched(&mut compositor), Some(STEP + Duration::from_secs(60)));
    say.send(Say::Resumed).expect("the compositor listens");
    expect(&mut compositor, Some(Duration::ZERO));
    say.send(Say::Goodbye).expect("the compositor listens");
    expect(&mut compositor, None);
}

#[test]
fn a_compositor_without_the_protocol_is_not_asked() {
    let (compositor, _say, _hands) = connected(false);
    assert!(compositor.is_none());
}

impl GlobalDispatch<wl_seat::WlSeat, ()> for Fake {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        seat: New<wl_seat::WlSeat>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(seat, ());
    }
}

impl Dispatch<wl_seat::WlSeat, ()> for Fake {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &wl_seat::WlSeat,
        _: wl_seat::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}

impl GlobalDispatch<notifier::ExtIdleNotifierV1, ()> for Fake {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        notifier: New<notifier::ExtIdleNotifierV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(notifier, ());
    }
}

impl Dispatch<notifier::ExtIdleNotifierV1, ()> for Fake {
    fn request(
        fake: &mut Self,
        _: &Client,
        _: &notifier::ExtIdleNotifierV1,
        request: notifier::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let notifier::Request::GetIdleNotification { id, timeout, .. } = request {
            assert_eq!(Duration::from_millis(timeout.into()), STEP);
            fake.notification = Some(init.init(id, ()));
        }
    }
}

impl Dispatch<told::ExtIdleNotificationV1, ()> for Fake {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &told::ExtIdleNotificationV1,
        _: told::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }
}
