//! What a frame costs its reader in memory, counted by the allocator.
//!
//! The budget of a frame of B bytes is a peak of 8 B + 4 KiB, whatever a client sends, and for what a
//! server sends about people who come, are there or change. People who leave take 4 bytes on the wire and
//! 56 in memory, so a frame full of them is over that budget, and so are lists of a server whose clock
//! stands at 1970. For those the bound is 34 B + 4 KiB, at most 0.5 MiB; a client reads one frame at a time.

use allocation_counter::measure;
use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, HELLO_BYTES_MAX, SERVER_FRAME_BYTES_MAX,
};
use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Change, ClientMessage, CloseReason, DecodeError, DeviceId, Digest, DisplayName, Entry, Hello,
    Presence, ServerMessage, Status, StatusText, UserId, ViewId, ViewProof, Violation,
};

const SLACK: usize = 4_096;

/// Bytes of heap per byte of a frame that is made to cost its reader as much as possible.
const WORST_PER_BYTE: usize = 34;

/// A body's bytes of heap at the peak of decoding it.
fn peak<T>(decode: impl Fn() -> T) -> usize {
    // The first call may set up what later ones share, such as the text of a panic hook.
    drop(decode());
    let info = measure(|| drop(decode()));
    assert_eq!(info.bytes_current, 0, "decoding keeps nothing once its result is dropped");
    usize::try_from(info.bytes_max).expect("a peak fits memory")
}

#[track_caller]
fn assert_frugal<T>(name: &str, body: &[u8], per_byte: usize, decode: impl Fn(&[u8]) -> T) {
    let (peak, budget) = (peak(|| decode(body)), per_byte * body.len() + SLACK);
    assert!(peak <= budget, "{name}: {} bytes cost {peak}, allowed are {budget}", body.len());
}

#[track_caller]
fn assert_refused_frugally(name: &str, body: &[u8]) {
    assert!(Incoming::decode(body).is_err() && ServerMessage::decode(body).is_err(), "{name}");
    assert_frugal(name, body, 8, Incoming::decode);
    assert_frugal(name, body, 8, ServerMessage::decode);
}

fn server_body(message: &ServerMessage) -> Vec<u8> {
    let body = message.encode()[FRAME_PREFIX_BYTES..].to_vec();
    assert_eq!(ServerMessage::decode(&body), Ok(Some(message.clone())), "the frame is valid");
    body
}

fn client_body(message: &ClientMessage) -> Vec<u8> {
    let body = message.encode()[FRAME_PREFIX_BYTES..].to_vec();
    assert_eq!(Incoming::decode(&body), Ok(Incoming::Message(message.clone())), "it is valid");
    body
}

fn entry(id: u32, name: &str, text: &str, since_ms: u64) -> Entry {
    let name = DisplayName::new(name).expect("a test name is valid");
    let text = StatusText::new(text).expect("a test text is valid");
    Entry { id: UserId(id), name, presence: Presence { status: Status::Away, text }, since_ms }
}

fn page(entries: Vec<Entry>) -> ServerMessage {
    let (first, last) = (UserId(0), UserId(u32::MAX));
    ServerMessage::SnapshotPage { view: ViewId(1), first, last, entries }
}

fn delta(changes: Vec<Change>) -> ServerMessage {
    ServerMessage::Delta { view: ViewId(1), from: 17, proof: ViewProof::default(), changes }
}

/// The longest list that `make` can put into a frame of a server.
fn longest<T>(element: impl Fn(u32) -> T, make: impl Fn(Vec<T>) -> ServerMessage) -> ServerMessage {
    let list = |len: usize| make((1..=len).map(|id| element(id as u32)).collect());
    let bytes = |len| list(len).encode().len() - FRAME_PREFIX_BYTES;
    // The first elements are the shortest, so no list has more elements than this.
    let mut too_many = SERVER_FRAME_BYTES_MAX / (bytes(2) - bytes(1)) + 1;
    let mut fitting = 0;
    while fitting + 1 < too_many {
        let middle = fitting.midpoint(too_many);
        let fits = bytes(middle) <= SERVER_FRAME_BYTES_MAX;
        *(if fits { &mut fitting } else { &mut too_many }) = middle;
    }
    list(fitting)
}

/// A head that announces elements or bytes, and nearly nothing behind it.
fn announcements() -> Vec<(&'static str, Vec<u8>)> {
    let head = |before: &[u8], head: u8| [before, &[head, 0xff, 0xff, 0xff, 0xff, 1, 2]].concat();
    let digest = [[0xc4, 16].to_vec(), vec![0; 16]].concat();
    let delta = [&[0x97, 69, 1, 1, 2, 1][..], &digest].concat();
    vec![
        ("a message of 4 billion fields", head(&[], 0xdd)),
        ("a map of 4 billion pairs", head(&[], 0xdf)),
        ("a name of 4 GB", head(&[0x94, 1, 1], 0xdb)),
        ("a name as bin of 4 GB", head(&[0x94, 1, 1], 0xc6)),
        ("an ext of 4 GB", head(&[0x94, 1, 1], 0xc9)),
        ("4 billion proofs", head(&[0x94, 66, 1, 0xc0], 0xdd)),
        ("4 billion entries", head(&[0x95, 67, 1, 0, 9], 0xdd)),
        ("4 billion changes", head(&delta, 0xdd)),
        ("a change of 4 billion fields", head(&[&delta[..], &[0x91]].concat(), 0xdd)),
        ("an epoch of 4 GB", head(&[0x98, 65, 1, 7, 100, 5, 127], 0xc6)),
        ("a list of 65535 entries", vec![0x95, 67, 1, 0, 9, 0xdc, 0xff, 0xff, 1, 2]),
    ]
}

#[test]
fn announcing_much_costs_nothing() {
    for (name, body) in announcements() {
        assert_refused_frugally(name, &body);
    }
}

#[test]
fn nesting_costs_nothing() {
    for level in [&[0x91][..], &[0x81, 0], &[0xdd, 0, 0, 0, 1], &[0xdf, 0, 0, 0, 1, 0xc0]] {
        for max in [100, CLIENT_FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX] {
            let nest = [level.repeat(max / level.len() - 1), vec![0xc0]].concat();
            assert_refused_frugally("a nest", &nest);
            assert_refused_frugally("a nest to ignore", &[&[0x93, 2, 5][..], &nest].concat());
        }
    }
}

#[test]
fn many_tiny_elements_of_a_wrong_kind_cost_nothing() {
    let before: [&[u8]; 4] = [&[], &[0x94, 66, 1, 0xc0], &[0x95, 67, 1, 0, 9], &[0x94, 3, 1, 0]];
    for element in
        [&[0xc0][..], &[1], &[0xff], &[0xa0], &[0x90], &[0x80], &[0xc4, 0], &[0xd4, 0, 0]]
    {
        for before in before {
            let count = (CLIENT_FRAME_BYTES_MAX - 16) / element.len();
            let len = u16::try_from(count).expect("a frame is short").to_be_bytes();
            let body = [before, &[0xdc], &len, &element.repeat(count)].concat();
            assert_frugal("tiny elements", &body, 8, Incoming::decode);
            assert_frugal("tiny elements", &body, 8, ServerMessage::decode);
        }
    }
}

#[test]
fn a_type_error_does_not_keep_what_it_complains_about() {
    // Control characters, since an error that quotes them writes up to eight bytes for each.
    for (max, op) in [(CLIENT_FRAME_BYTES_MAX, 2), (SERVER_FRAME_BYTES_MAX, 68)] {
        let text = vec![1; max - 8];
        let len = u16::try_from(text.len()).expect("a frame is short").to_be_bytes();
        let long = [&[0xda][..], &len, &text].concat();
        assert_refused_frugally("a str as the message", &long);
        let field = [&[0x95, op][..], &long, &[0; 3]].concat();
        assert_frugal("a str as a field", &field, 8, Incoming::decode);
        assert_frugal("a str as a field", &field, 8, ServerMessage::decode);
        let list = [&[0x94, 66, 1, 0xc0][..], &long].concat();
        assert_frugal("a str as a list", &list, 8, ServerMessage::decode);
        assert_refused_frugally("a str as the op", &[&[0x91][..], &long].concat());
    }
}

#[test]
fn the_longest_client_messages_keep_to_the_budget() {
    let presence = |text: &str| entry(0, "x", text, 0).presence;
    let hello = |text: &str| Hello {
        name: DisplayName::new(&"é".repeat(32)).expect("64 bytes are allowed"),
        device: DeviceId::new(&"d".repeat(64)).expect("64 bytes are allowed"),
        label: "l".repeat(64),
        heartbeat: None,
        observe: false,
        presence: presence(text),
    };
    let hello = client_body(&ClientMessage::Hello(hello(&"🦊".repeat(70))));
    assert!((HELLO_BYTES_MAX - 32..=HELLO_BYTES_MAX).contains(&hello.len()), "{}", hello.len());
    let set_status =
        ClientMessage::SetStatus { request: u32::MAX, presence: presence(&"🦊".repeat(140)) };
    let watch = |bytes| ClientMessage::Watch { request: u32::MAX, room: "r".repeat(bytes) };
    let watch = client_body(&watch(CLIENT_FRAME_BYTES_MAX - 11));
    assert_eq!(watch.len(), CLIENT_FRAME_BYTES_MAX);
    assert_frugal("Hello", &hello, 8, Incoming::decode);
    assert_frugal("SetStatus", &client_body(&set_status), 8, Incoming::decode);
    assert_frugal("Watch", &watch, 8, Incoming::decode);
}

#[test]
fn refused_values_keep_to_the_budget() {
    let text = vec![b'x'; 4_000];
    let long = [&[0xda, 0x0f, 0xa0][..], &text].concat();
    let hello = [&[0x98, 1, 1][..], &long, &[0xa1, b'd', 0xa0, 0, 0xc2, 0]].concat();
    assert!(matches!(Incoming::decode(&hello), Ok(Incoming::BadHello(_))));
    assert_frugal("a name of 4000 bytes", &hello, 8, Incoming::decode);
    let set_status = [&[0x94, 3, 1, 0][..], &long].concat();
    assert!(matches!(Incoming::decode(&set_status), Ok(Incoming::BadRequest { .. })));
    assert_frugal("a text of 4000 characters", &set_status, 8, Incoming::decode);
    let page = [&[0x95, 67, 1, 0, 9, 0x91, 0x95, 1][..], &long, &[0, 0xa0, 0]].concat();
    let violation = ServerMessage::decode(&page).as_ref().map_err(DecodeError::violation).err();
    assert_eq!(violation, Some(Violation::OutOfRange));
    assert_frugal("a listed name of 4000 bytes", &page, 8, ServerMessage::decode);
}

#[test]
fn the_longest_lists_of_a_server_with_a_clock_keep_to_the_budget() {
    let now = 1_700_000_000_000;
    let long = |id| entry(id, &"é".repeat(32), &"🦊".repeat(140), now);
    let short = |id| entry(id, "x", "y", now);
    let silent = |id| entry(id, "x", "", now);
    let proof = ViewProof { version: 1, count: 1, digest: Digest::from_bytes([7; 16]) };
    let ack = |views| ServerMessage::HeartbeatAck { n: 1, me: None, views };
    let updated = |id| {
        let presence = Presence::default();
        Change::Updated { id: UserId(id), presence, since_ms: now }
    };
    let messages = [
        ("long entries", longest(long, page)),
        ("short entries", longest(short, page)),
        ("entries without text", longest(silent, page)),
        ("joins", longest(|id| Change::Joined(short(id)), delta)),
        ("updates", longest(updated, delta)),
        ("proofs", longest(|id| (ViewId(id), proof), ack)),
    ];
    for (name, message) in messages {
        assert_frugal(name, &server_body(&message), 8, ServerMessage::decode);
    }
}

#[test]
fn the_worst_lists_that_any_server_can_send_have_a_bound_of_their_own() {
    let left = |_| Change::Left { id: UserId(1), cause: CloseReason::Goodbye };
    let joined = |_| Change::Joined(entry(1, "x", "y", 0));
    let tiny = |id| entry(id, "x", "y", 0);
    for message in [longest(left, delta), longest(joined, delta), longest(tiny, page)] {
        assert_frugal("a list", &server_body(&message), WORST_PER_BYTE, ServerMessage::decode);
    }

    // The shortest leave there is: its detail is missing, which our own encoder never does.
    let leaves = |leaves: usize, rest: &[u8]| {
        let digest = [[0xc4, 16].to_vec(), vec![0; 16]].concat();
        let len = u16::try_from(leaves + rest.len()).expect("a page is short").to_be_bytes();
        let head = [&[0x97, 69, 1, 1, 2, 1][..], &digest, &[0xdc], &len].concat();
        [head, [0x93, 2, 1, 0].repeat(leaves), rest.to_vec()].concat()
    };
    let sound = leaves((SERVER_FRAME_BYTES_MAX - 27) / 4, &[]);
    assert!(matches!(ServerMessage::decode(&sound), Ok(Some(ServerMessage::Delta { .. }))));
    assert_frugal("the shortest leaves", &sound, WORST_PER_BYTE, ServerMessage::decode);
    // Where the reader has just made room for twice as many, the next one turns out not to be one.
    for count in [1, 16, 17, 512, 513, 1_024, 1_025, 2_047, 2_048] {
        let broken = leaves(count, &vec![0xc0; count]);
        assert!(ServerMessage::decode(&broken).is_err());
        assert_frugal("broken leaves", &broken, WORST_PER_BYTE, ServerMessage::decode);
    }
}
