//! What may happen to a registry, and how often it does in a random story.

use herenow_protocol::{CloseReason, Status, Violation};
use proptest::prelude::*;
use proptest::sample::select;

use super::model::Model;

pub(crate) type Name = &'static str;
pub(crate) type Room = &'static str;

pub(crate) const NAMES: [Name; 3] = ["ada", "bob", "cyd"];
pub(crate) const ROOMS: [Room; 3] = ["lobby", "attic", "cellar"];
pub(crate) const DEVICES: [&str; 4] = ["desk", "lap", "phone", "wall"];

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    SignIn(u64, Greeting),
    Choose(u64, Say),
    Join(u64, Room),
    Leave(u64, Room),
    WatchRoom(u64, Room),
    /// Opens a list of people, or adds to the one of this number.
    WatchPeople(u64, Vec<Name>, Option<u32>),
    Unwatch(u64, View),
    /// A connection ends, and was last heard so many milliseconds before.
    End(u64, CloseReason, u64),
    /// So many milliseconds pass.
    Pass(u64),
}

/// A sign-in. The session that begins has the number of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    pub(crate) name: Name,
    pub(crate) device: &'static str,
    pub(crate) key: Option<u8>,
    pub(crate) observe: bool,
    pub(crate) say: Say,
    pub(crate) heartbeat_ms: u64,
    pub(crate) resume: Option<Comeback>,
}

/// A try to go on with a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comeback {
    /// Whose token; there may be no such session.
    pub(crate) session: u64,
    pub(crate) epoch: Option<u8>,
    pub(crate) named: Named,
}

/// Which of its views a client that comes back names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Named {
    All,
    RoomsOnly,
    Nothing,
    /// All, with versions that there never were.
    AllWrong,
}

/// What a session says about itself and its user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    pub(crate) status: Status,
    pub(crate) automatic: bool,
    pub(crate) text: Option<&'static str>,
    pub(crate) text_for_ms: Option<u64>,
    /// The value of the only pair; an empty one stands for no pair at all.
    pub(crate) metadata: Option<&'static str>,
}

/// A view of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    Room(Room),
    /// By the order in which the session opened them.
    List(u32),
}

/// The right epoch.
pub(crate) const EPOCH: u8 = 1;

/// A random next step.
pub(crate) fn any_step(model: &Model) -> BoxedStrategy<Step> {
    let begins = prop_oneof![
        3 => greeting(model).prop_map({
            let fresh = model.fresh_number();
            move |greeting| Step::SignIn(fresh, greeting)
        }),
        4 => passing().prop_map(Step::Pass),
    ];
    match model.connections() {
        connections if connections.is_empty() => begins.boxed(),
        connections => prop_oneof![2 => begins, 3 => of_connection(&connections)].boxed(),
    }
}

fn of_connection(connections: &[u64]) -> impl Strategy<Value = Step> + use<> {
    let who = || select(connections.to_vec());
    let room = || select(&ROOMS[..]);
    let names = || prop::collection::vec(select(&["ada", "bob", "cyd", "dan"][..]), 1..4);
    prop_oneof![
        4 => (who(), say(true)).prop_map(|(c, say)| Step::Choose(c, say)),
        2 => (who(), room()).prop_map(|(c, room)| Step::Join(c, room)),
        1 => (who(), room()).prop_map(|(c, room)| Step::Leave(c, room)),
        3 => (who(), room()).prop_map(|(c, room)| Step::WatchRoom(c, room)),
        2 => (who(), names()).prop_map(|(c, names)| Step::WatchPeople(c, names, None)),
        1 => (who(), names(), 0..3_u32).prop_map(|(c, names, n)| Step::WatchPeople(c, names, Some(n))),
        1 => (who(), view()).prop_map(|(c, view)| Step::Unwatch(c, view)),
        4 => (who(), cause(), silence()).prop_map(|(c, cause, ms)| Step::End(c, cause, ms)),
    ]
}

fn greeting(model: &Model) -> impl Strategy<Value = Greeting> + use<> {
    let fresh = (select(&NAMES[..]), prop::option::weighted(0.1, Just(Comeback::of_nobody())));
    let tokens = model.tokens();
    let who = match tokens.is_empty() {
        true => fresh.boxed(),
        false => prop_oneof![2 => fresh, 2 => returning(tokens)].boxed(),
    };
    let device = select(&DEVICES[..]);
    let key = prop_oneof![2 => Just(None), 3 => Just(Some(1)), 1 => Just(Some(2))];
    let heartbeat = select(&[2_000, 500][..]);
    let observe = prop::bool::weighted(0.1);
    (who, device, key, heartbeat, observe, say(false)).prop_map(
        |((name, resume), device, key, heartbeat_ms, observe, say)| {
            let resume = resume.filter(|_| !observe);
            Greeting { name, device, key, observe, say, heartbeat_ms, resume }
        },
    )
}

/// Somebody with a token of one of these sessions, mostly under its name.
fn returning(tokens: Vec<(u64, Name)>) -> impl Strategy<Value = (Name, Option<Comeback>)> {
    let named = prop_oneof![
        4 => Just(Named::All),
        1 => Just(Named::RoomsOnly),
        1 => Just(Named::Nothing),
        1 => Just(Named::AllWrong),
    ];
    let epoch = prop_oneof![5 => Just(Some(EPOCH)), 1 => Just(Some(9)), 1 => Just(None)];
    let name = prop::option::weighted(0.1, select(&NAMES[..]));
    (select(tokens), name, epoch, named).prop_map(|((session, own), other, epoch, named)| {
        (other.unwrap_or(own), Some(Comeback { session, epoch, named }))
    })
}

fn say(empty_text: bool) -> impl Strategy<Value = Say> {
    let status = prop_oneof![
        3 => Just(Status::Available),
        1 => Just(Status::Away),
        1 => Just(Status::Busy),
        2 => Just(Status::Invisible),
    ];
    let texts = if empty_text { &["tea", "back soon", ""][..] } else { &["tea", "back soon"][..] };
    let text_for = prop::option::of(select(&[10, 3_000, 20_000][..]));
    let metadata = prop::option::weighted(0.2, select(&["x", "y", ""][..]));
    let metadata = metadata.prop_map(move |metadata| metadata.filter(|_| empty_text));
    (status, any::<bool>(), prop::option::of(select(texts)), text_for, metadata).prop_map(
        |(status, automatic, text, text_for_ms, metadata)| Say {
            status,
            automatic,
            text,
            text_for_ms,
            metadata,
        },
    )
}

fn view() -> impl Strategy<Value = View> {
    prop_oneof![select(&ROOMS[..]).prop_map(View::Room), (0..3_u32).prop_map(View::List)]
}

fn cause() -> impl Strategy<Value = CloseReason> {
    use CloseReason as R;
    prop_oneof![
        2 => Just(R::Goodbye),
        2 => Just(R::ConnectionClosed),
        2 => Just(R::ConnectionReset),
        2 => Just(R::HeartbeatTimeout),
        1 => Just(R::SlowConsumer),
        1 => Just(R::ServerShutdown),
        1 => Just(R::InternalError),
        1 => Just(R::ProtocolError(Violation::WrongShape)),
    ]
}

fn silence() -> impl Strategy<Value = u64> {
    select(&[0, 7, 300, 1_900, 4_000, 9_000, 10_000][..])
}

/// Within a tick, within grace, about its end, and about the end of the resume window.
fn passing() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 1..20_u64,
        3 => 20..3_000_u64,
        2 => select(&[2_500, 5_000, 10_000][..]),
        1 => select(&[54_999, 55_000, 60_000, 65_000][..]),
    ]
}

impl Greeting {
    pub(crate) fn of_observer(name: Name) -> Self {
        let say = Say {
            status: Status::Available,
            automatic: true,
            text: None,
            text_for_ms: None,
            metadata: None,
        };
        let (device, key, resume) = (DEVICES[0], None, None);
        Self { name, device, key, observe: true, say, heartbeat_ms: 2_000, resume }
    }
}

impl Comeback {
    /// With a token that nobody ever got.
    fn of_nobody() -> Self {
        Self { session: 0, epoch: Some(EPOCH), named: Named::All }
    }
}
