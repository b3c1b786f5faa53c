//! What a frame costs its reader in memory, counted by the allocator.
//!
//! The budget of a frame of B bytes is a peak of 8 B + 4 KiB, whatever a client sends, and for what a
//! server sends about people who come, are there or change. People who leave take 4 bytes on the wire and
//! 88 in memory, so a frame full of them is over that budget, and so are lists of a server whose clock
//! stands at 1970, and of people with labels or metadata of one byte. For those the bound is 34 B + 4 KiB,
//! at most 0.6 MiB; a client reads one frame at a time.

use allocation_counter::measure;
use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, HELLO_BYTES_MAX, HELLO_VIEWS_MAX,
    METADATA_PAIRS_MAX, NAMES_MAX, REPAIR_RANGES_MAX, SERVER_FRAME_BYTES_MAX, SESSIONS_MAX,
    TRANSITIONS_MAX,
};
use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DecodeError, DeviceId, DeviceLabel, Digest,
    DisplayName, Entry, Epoch, Explanation, Hello, Metadata, Query, Resume, ResumeToken, RoomName,
    Rule, ServerMessage, SessionId, SessionReport, SessionState, Shown, Status, StatusText,
    Transition, TransitionKind, UserId, UserKey, ViewId, ViewProof, Violation, WatchTarget,
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

fn name(name: &str) -> DisplayName {
    DisplayName::new(name).expect("a test name is valid")
}

fn status_text(text: &str) -> StatusText {
    StatusText::new(text).expect("a test text is valid")
}

fn entry(id: u32, user: &str, text: &str, since_ms: u64) -> Entry {
    let mut shown = Shown { since_ms, ..Shown::default() };
    shown.presence.text = status_text(text);
    Entry { id: UserId(id), name: name(user), shown }
}

/// An entry of someone with so many devices, and pairs of metadata of the fewest bytes.
fn rich(id: u32, devices: usize, pairs: usize) -> Entry {
    let label = DeviceLabel::new("x").expect("a test label is valid");
    let keys: Vec<_> = (0..pairs).map(|n| char::from(b'a' + n as u8).to_string()).collect();
    let mut entry = entry(id, "x", "y", 1_700_000_000_000);
    entry.shown.devices = std::iter::repeat_n(label, devices).collect();
    let pairs = keys.iter().map(|key| (&**key, ""));
    entry.shown.metadata = Metadata::new(pairs).expect("test metadata are valid");
    entry
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
    let hello = |text: &str| Hello {
        name: name(&"é".repeat(32)),
        device: DeviceId::new(&"d".repeat(64)).expect("64 bytes are allowed"),
        label: DeviceLabel::new(&"l".repeat(64)).expect("64 bytes are allowed"),
        heartbeat: None,
        observe: false,
        choice: Choice::chosen(Status::Busy, status_text(text)),
        key: Some(UserKey([7; 16])),
        resume: Some(Resume {
            token: ResumeToken([8; 16]),
            epoch: Some(Epoch([9; 16])),
            views: vec![(ViewId(u32::MAX), 1 << 40); HELLO_VIEWS_MAX],
        }),
        credential: None,
    };
    let hello = client_body(&ClientMessage::Hello(hello(&"🦊".repeat(110))));
    assert!((HELLO_BYTES_MAX - 128..=HELLO_BYTES_MAX).contains(&hello.len()), "{}", hello.len());
    let metadata = rich(1, 0, METADATA_PAIRS_MAX).shown.metadata;
    let choice = Choice {
        metadata: Some(metadata),
        ..Choice::chosen(Status::Away, status_text(&"🦊".repeat(140)))
    };
    let set_status = ClientMessage::SetStatus { request: u32::MAX, choice };
    let room = RoomName::new(&"r".repeat(64)).expect("64 bytes are allowed");
    let join = ClientMessage::Join { request: 1, room };
    let ranges = vec![(UserId(1), UserId(2)); REPAIR_RANGES_MAX];
    let repair = ClientMessage::Repair { request: 1, view: ViewId(1), ranges };
    assert_frugal("Hello", &hello, 8, Incoming::decode);
    for message in [set_status, join, repair] {
        assert_frugal("a request", &client_body(&message), 8, Incoming::decode);
    }
}

#[test]
fn lists_of_names_keep_to_the_budget_however_short_the_names_are() {
    for bytes in [1, 2, 7, 8, 9, 16, 29] {
        let names = vec![name(&"x".repeat(bytes)); NAMES_MAX];
        let target = WatchTarget::People { names: names.clone(), view: None };
        let watch = client_body(&ClientMessage::Watch { request: 1, target });
        let query = ClientMessage::Query { request: 1, query: Query::People(names) };
        assert!(watch.len() <= CLIENT_FRAME_BYTES_MAX);
        assert_frugal("Watch", &watch, 8, Incoming::decode);
        assert_frugal("Query", &client_body(&query), 8, Incoming::decode);
    }
}

#[test]
fn lists_of_a_client_that_are_too_long_keep_to_the_budget() {
    // As many elements as a frame holds, and a message that ends with the list.
    let full = |head: &[u8], element: &[u8]| {
        let count = (CLIENT_FRAME_BYTES_MAX - head.len() - 3) / element.len();
        let len = u16::try_from(count).expect("a frame is short").to_be_bytes();
        [head, &[0xdc], &len, &element.repeat(count)].concat()
    };
    let hello = [0x9f, 1, 1, 0xa1, b'x', 0xa1, b'd', 0xa0, 0, 0xc2, 0, 0xc0, 0xc3, 0, 0xc0];
    let token = [[0xc4, 16].to_vec(), vec![7; 16]].concat();
    let hello = [&hello[..], &token, &[0xc0]].concat();
    let lists: [(&str, Vec<u8>); 5] = [
        ("views of Hello", full(&hello, &[0x92, 1, 1])),
        ("ranges of Repair", full(&[0x94, 10, 1, 1], &[0x92, 1, 1])),
        ("names of Watch", full(&[0x94, 4, 1, 1], &[0xa1, b'x'])),
        ("names of Query", full(&[0x94, 9, 1, 0], &[0xa1, b'x'])),
        ("names without a character", full(&[0x94, 9, 1, 0], &[0xa0])),
    ];
    for (name, body) in lists {
        assert!(Incoming::decode(&body).is_ok(), "{name} have the right shape");
        assert_frugal(name, &body, 8, Incoming::decode);
    }
    // A map has no list's length in front, so its pairs are counted.
    let pairs = (CLIENT_FRAME_BYTES_MAX - 16) / 3;
    let len = u16::try_from(pairs).expect("a frame is short").to_be_bytes();
    let head = [&[0x97, 3, 1, 0, 0xc0, 0xc2, 0, 0xde][..], &len].concat();
    for pair in [[0xa1, b'k', 0xa0], [0xa0, 0xa1, b'v']] {
        let body = [&head[..], &pair.repeat(pairs)].concat();
        assert!(matches!(Incoming::decode(&body), Ok(Incoming::BadRequest { .. })));
        assert_frugal("metadata", &body, 8, Incoming::decode);
    }
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
    let ack = |views| ServerMessage::HeartbeatAck { n: 1, me: None, views, delay_ms: 0 };
    let updated = |id| Change::Updated { id: UserId(id), shown: silent(id).shown };
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
fn what_a_server_says_once_keeps_to_the_budget() {
    let label = || DeviceLabel::new("x").expect("a test label is valid");
    let report = |n| SessionReport {
        session: SessionId(n),
        device: label(),
        state: SessionState::Connected,
        status: Status::Available,
        automatic: true,
        since_ms: 1_700_000_000_000,
        heard_ms_ago: 1,
        sent_ms_ago: None,
        round_trip_us: None,
        misses: 0,
        grace_ms: None,
        resume_ms: None,
    };
    let transition = |n| Transition {
        at_ms: 1_700_000_000_000 + n,
        kind: TransitionKind::Lost,
        session: Some(SessionId(n)),
        cause: Some(CloseReason::HeartbeatTimeout),
        not_before_ms: 1_700_000_000_000,
        status: None,
    };
    let explanation = Explanation {
        name: name("x"),
        me: None,
        rule: Rule::Precedence,
        winner: None,
        sessions: (1..=SESSIONS_MAX as u64).map(report).collect(),
        transitions: (1..=TRANSITIONS_MAX as u64).map(transition).collect(),
    };
    let explanation = ServerMessage::Explanation { request: 1, explanation };
    let digests = vec![Digest::from_bytes([7; 16]); SERVER_FRAME_BYTES_MAX / 16 - 1];
    let buckets =
        ServerMessage::Buckets { view: ViewId(1), first: 0, width: 16, digests, more: false };
    for message in [explanation, buckets] {
        assert_frugal("an answer", &server_body(&message), 8, ServerMessage::decode);
    }
}

#[test]
fn the_worst_lists_that_any_server_can_send_have_a_bound_of_their_own() {
    let left = |_| Change::Left { id: UserId(1), cause: CloseReason::Goodbye };
    let joined = |_| Change::Joined(entry(1, "x", "y", 0));
    let tiny = |id| entry(id, "x", "y", 0);
    let devices = |id| rich(id, 1, 0);
    let pair = |id| rich(id, 0, 1);
    let pairs = |id| rich(id, SESSIONS_MAX, METADATA_PAIRS_MAX);
    let [devices, pair, pairs] =
        [longest(devices, page), longest(pair, page), longest(pairs, page)];
    let lists = [longest(left, delta), longest(joined, delta), longest(tiny, page)];
    for message in lists.into_iter().chain([devices, pair, pairs]) {
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
