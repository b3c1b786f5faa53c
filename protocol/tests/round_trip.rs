//! Any message survives the wire, and no bytes whatsoever make the reader panic.

use std::time::Duration;

use bytes::BytesMut;
use herenow_protocol::frame::{split_body, take_body};
use herenow_protocol::limits::{
    CREDENTIAL_BYTES_MAX, FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, HELLO_VIEWS_MAX, INTEGER_MAX,
    METADATA_PAIRS_MAX, NAMES_MAX, REPAIR_RANGES_MAX, SESSIONS_MAX, TRANSITIONS_MAX,
};
use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Change, Changes, Choice, ClientMessage, CloseReason, Credential, DeviceId, DeviceLabel,
    Devices, Digest, DisplayName, EncodedEntry, Entry, Epoch, ErrorCode, Explanation, Health,
    Hello, Metadata, OperatorKey, Presence, Query, Resume, ResumeToken, RoomName, Rule,
    ServerMessage, SessionId, SessionReport, SessionState, Shown, Status, StatusText, StoreState,
    Transition, TransitionKind, UserId, UserKey, ViewId, ViewProof, Violation, WatchTarget,
    Welcome, page_frame, pairing,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Integers of every length on the wire, not just the long ones that `0..=MAX` nearly always gives.
fn integer() -> impl Strategy<Value = u64> {
    (0..=INTEGER_MAX, 0..53_u32).prop_map(|(number, shift)| number >> shift)
}

fn narrow() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(number, shift)| number >> shift)
}

fn user_id() -> impl Strategy<Value = UserId> {
    narrow().prop_map(UserId)
}

fn view_id() -> impl Strategy<Value = ViewId> {
    narrow().prop_map(ViewId)
}

fn session_id() -> impl Strategy<Value = SessionId> {
    integer().prop_map(SessionId)
}

fn bin() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

/// Letters of one to four bytes, spaces and marks; the rule of names decides.
fn name() -> impl Strategy<Value = DisplayName> {
    "[a-zA-Zé李ш🦊\u{5d0} '-]{1,20}"
        .prop_filter_map("a rule of names", |name| DisplayName::new(name.trim()).ok())
}

fn room() -> impl Strategy<Value = RoomName> {
    name().prop_map(|name| RoomName::new(name.as_str()).expect("rooms are named like users"))
}

fn text() -> impl Strategy<Value = StatusText> {
    let texts = prop_oneof![Just(String::new()), "\\PC{0,140}", "[x🦊]{120,140}"];
    texts.prop_filter_map("a rule of texts", |text| StatusText::new(&text).ok())
}

fn label() -> impl Strategy<Value = DeviceLabel> {
    "[a-z é🦊]{0,16}".prop_map(|label| DeviceLabel::new(&label).expect("64 bytes at most"))
}

fn devices() -> impl Strategy<Value = Devices> {
    vec(label(), 0..=SESSIONS_MAX).prop_map(Devices::from_iter)
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let pairs = || btree_map("[a-zé🦊]{1,16}", "\\PC{0,40}", 0..=METADATA_PAIRS_MAX);
    // Short keys and no values, so that sixteen pairs are no rarity.
    let short = btree_map("[a-z]{1,2}", Just(String::new()), METADATA_PAIRS_MAX);
    prop_oneof![2 => Just(Metadata::default()), 2 => metadata_of(pairs()), 1 => metadata_of(short)]
}

fn metadata_of(
    pairs: impl Strategy<Value = std::collections::BTreeMap<String, String>>,
) -> impl Strategy<Value = Metadata> {
    pairs.prop_filter_map("a rule of metadata", |pairs| {
        Metadata::new(pairs.iter().map(|(key, value)| (&**key, &**value))).ok()
    })
}

/// Who is shown is available, away or busy.
fn visible() -> impl Strategy<Value = Status> {
    select(&[Status::Available, Status::Away, Status::Busy][..])
}

fn presence_of(status: impl Strategy<Value = Status>) -> impl Strategy<Value = Presence> {
    let until_ms = prop_oneof![Just(0), integer()];
    (status, text(), any::<bool>(), until_ms).prop_map(|(status, text, automatic, until_ms)| {
        Presence { status, text, automatic, until_ms }
    })
}

fn shown() -> impl Strategy<Value = Shown> {
    let here = (presence_of(visible()), integer(), devices(), metadata()).prop_map(
        |(presence, since_ms, devices, metadata)| Shown { presence, since_ms, devices, metadata },
    );
    prop_oneof![4 => here, 1 => integer().prop_map(Shown::offline)]
}

fn span() -> impl Strategy<Value = Option<Duration>> {
    option::of((1..=INTEGER_MAX).prop_map(Duration::from_millis))
}

fn choice() -> impl Strategy<Value = Choice> {
    let status = select(&Status::CHOICES[..]);
    (status, any::<bool>(), option::of(text()), span(), option::of(metadata())).prop_map(
        |(status, automatic, text, text_for, metadata)| Choice {
            status,
            automatic,
            text,
            text_for,
            metadata,
        },
    )
}

fn close_reason() -> impl Strategy<Value = CloseReason> {
    let violation = (0..=7_u64).prop_map(Violation::from_wire).prop_map(CloseReason::ProtocolError);
    prop_oneof![3 => (0..=19_u64).prop_map(|number| CloseReason::from_wire(number, 0)), 1 => violation]
}

fn resume() -> impl Strategy<Value = Resume> {
    let views = vec((view_id(), integer()), 0..=HELLO_VIEWS_MAX);
    (bin(), option::of(bin()), views).prop_map(|(token, epoch, views)| Resume {
        token: ResumeToken(token),
        epoch: epoch.map(Epoch),
        views,
    })
}

/// A `Hello` says no metadata, and cannot say that the text is to be taken away.
fn hello_choice() -> impl Strategy<Value = Choice> {
    choice().prop_map(|choice| Choice {
        text: choice.text.filter(|text| !text.is_empty()),
        metadata: None,
        ..choice
    })
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![".{0,40}", Just("t".repeat(CREDENTIAL_BYTES_MAX))]
        .prop_map(|text| Credential::from(&*text))
}

fn hello() -> impl Strategy<Value = Hello> {
    let device = "[A-Za-z0-9._-]{1,64}"
        .prop_map(|device| DeviceId::new(&device).expect("the pattern is the rule"));
    let secrets =
        (option::of(bin().prop_map(UserKey)), option::of(resume()), option::of(credential()));
    (name(), device, label(), span(), any::<bool>(), hello_choice(), secrets).prop_map(
        |(name, device, label, heartbeat, observe, choice, (key, resume, credential))| Hello {
            name,
            device,
            label,
            heartbeat,
            observe,
            choice,
            key,
            resume,
            credential,
        },
    )
}

fn names() -> impl Strategy<Value = Vec<DisplayName>> {
    prop_oneof![4 => vec(name(), 0..6), 1 => vec(name(), NAMES_MAX)]
}

fn watch_target() -> impl Strategy<Value = WatchTarget> {
    // Number 0 stands for no view.
    let view = option::of((1..=u32::MAX).prop_map(ViewId));
    prop_oneof![
        room().prop_map(WatchTarget::Room),
        (names(), view).prop_map(|(names, view)| WatchTarget::People { names, view }),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let operator = || option::of(bin().prop_map(OperatorKey));
    prop_oneof![
        names().prop_map(Query::People),
        room().prop_map(Query::Count),
        (room(), user_id()).prop_map(|(room, from)| Query::Page { room, from }),
        (name(), operator()).prop_map(|(name, operator)| Query::Explain { name, operator }),
        operator().prop_map(|operator| Query::Health { operator }),
    ]
}

fn range() -> impl Strategy<Value = (UserId, UserId)> {
    (user_id(), user_id()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    use ClientMessage as M;
    let goodbye = prop_oneof![Just(CloseReason::Goodbye), Just(CloseReason::HeartbeatTimeout)];
    let round_trip_us = prop_oneof![Just(0), integer()];
    let ranges = vec(range(), 0..=REPAIR_RANGES_MAX);
    prop_oneof![
        hello().prop_map(M::Hello),
        (integer(), round_trip_us).prop_map(|(n, round_trip_us)| M::Heartbeat { n, round_trip_us }),
        (narrow(), choice()).prop_map(|(request, choice)| M::SetStatus { request, choice }),
        (narrow(), watch_target()).prop_map(|(request, target)| M::Watch { request, target }),
        (narrow(), view_id()).prop_map(|(request, view)| M::Unwatch { request, view }),
        goodbye.prop_map(|reason| M::Goodbye { reason }),
        (narrow(), room()).prop_map(|(request, room)| M::Join { request, room }),
        (narrow(), room()).prop_map(|(request, room)| M::Leave { request, room }),
        (narrow(), query()).prop_map(|(request, query)| M::Query { request, query }),
        (narrow(), credential()).prop_map(|(request, credential)| M::Renew { request, credential }),
        (narrow(), view_id(), ranges).prop_map(|(request, view, ranges)| M::Repair {
            request,
            view,
            ranges
        }),
    ]
}

fn digest() -> impl Strategy<Value = Digest> {
    bin().prop_map(Digest::from_bytes)
}

fn proof() -> impl Strategy<Value = ViewProof> {
    (integer(), narrow(), digest()).prop_map(|(version, count, digest)| ViewProof {
        version,
        count,
        digest,
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (user_id(), name(), shown()).prop_map(|(id, name, shown)| Entry { id, name, shown })
}

fn change() -> impl Strategy<Value = Change> {
    let updated = (user_id(), shown()).prop_map(|(id, shown)| Change::Updated { id, shown });
    let left = (user_id(), close_reason()).prop_map(|(id, cause)| Change::Left { id, cause });
    prop_oneof![entry().prop_map(Change::Joined), updated, left]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let numbers = (integer(), session_id(), integer(), integer(), integer());
    let rule = (1..=INTEGER_MAX, 1..=u32::MAX);
    let resume = (
        option::of(bin().prop_map(ResumeToken)),
        any::<bool>(),
        vec(view_id(), 0..40),
        prop_oneof![Just(0), integer()],
    );
    (numbers, rule, bin(), ".{0,40}", resume).prop_map(
        |(
            numbers,
            (heartbeat_ms, misses),
            epoch,
            server,
            (token, resumed, views, credential_ms),
        )| Welcome {
            version: numbers.0,
            session: numbers.1,
            heartbeat_ms,
            misses,
            detection_bound_ms: numbers.2,
            epoch: Epoch(epoch),
            frame_bytes_max: numbers.3,
            server,
            token,
            resumed,
            resume_window_ms: numbers.4,
            views,
            credential_ms,
        },
    )
}

fn page() -> impl Strategy<Value = ServerMessage> {
    // A map, since the ids of a page ascend.
    let people = btree_map(user_id(), (name(), shown()), 0..20);
    (view_id(), people, any::<(bool, bool)>()).prop_map(|(view, people, (tight, open))| {
        let entry = |(id, (name, shown))| Entry { id, name, shown };
        let entries: Vec<_> = people.into_iter().map(entry).collect();
        let first = entries.first().filter(|_| tight).map_or(UserId(0), |entry| entry.id);
        let last = entries.last().filter(|_| !open).map_or(UserId(u32::MAX), |entry| entry.id);
        ServerMessage::SnapshotPage { view, first, last, entries }
    })
}

fn session_report() -> impl Strategy<Value = SessionReport> {
    let chosen = (select(SessionState::ALL), select(&Status::CHOICES[..]), any::<bool>());
    let optional = || option::of(integer());
    let spans = (integer(), integer(), optional(), optional(), optional(), optional());
    (session_id(), label(), chosen, spans, narrow()).prop_map(
        |(session, device, (state, status, automatic), spans, misses)| SessionReport {
            session,
            device,
            state,
            status,
            automatic,
            since_ms: spans.0,
            heard_ms_ago: spans.1,
            sent_ms_ago: spans.2,
            round_trip_us: spans.3,
            misses,
            grace_ms: spans.4,
            resume_ms: spans.5,
        },
    )
}

fn transition() -> impl Strategy<Value = Transition> {
    let status = option::of(prop_oneof![visible(), Just(Status::Offline)]);
    let kind = select(TransitionKind::ALL);
    let (session, cause) = (option::of(session_id()), option::of(close_reason()));
    (integer(), kind, session, cause, integer(), status).prop_map(
        |(at_ms, kind, session, cause, not_before_ms, status)| Transition {
            at_ms,
            kind,
            session,
            cause,
            not_before_ms,
            status,
        },
    )
}

fn explanation() -> impl Strategy<Value = Explanation> {
    let (me, winner) = (option::of(presence_of(visible())), option::of(session_id()));
    let sessions = vec(session_report(), 0..=SESSIONS_MAX);
    let transitions = vec(transition(), 0..=TRANSITIONS_MAX);
    (name(), me, select(Rule::ALL), winner, sessions, transitions).prop_map(
        |(name, me, rule, winner, sessions, transitions)| Explanation {
            name,
            me,
            rule,
            winner,
            sessions,
            transitions,
        },
    )
}

fn health() -> impl Strategy<Value = Health> {
    let numbers = (integer(), integer(), integer(), integer(), integer());
    (numbers, select(StoreState::ALL), ".{0,40}").prop_map(|(numbers, store, text)| Health {
        sessions: numbers.0,
        users: numbers.1,
        store,
        waiting: numbers.2,
        dropped: numbers.3,
        divergences: numbers.4,
        text,
    })
}

fn buckets() -> impl Strategy<Value = ServerMessage> {
    (view_id(), narrow(), 1..=u32::MAX, vec(digest(), 0..70), any::<bool>()).prop_map(
        |(view, first, width, digests, more)| {
            // No bucket begins beyond the last id.
            let width = width.min(u32::MAX / (first.saturating_add(70))).max(1);
            let first = first.min(u32::MAX / width - 70);
            ServerMessage::Buckets { view, first, width, digests, more }
        },
    )
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    use ServerMessage as M;
    let code = (0..=7_u64).prop_map(ErrorCode::from_wire);
    let acks =
        (integer(), option::of(presence_of(visible())), vec((view_id(), proof()), 0..8), integer());
    // What a session is told of a choice has no metadata.
    let chosen = choice().prop_map(|choice| Choice { metadata: None, ..choice });
    prop_oneof![
        welcome().prop_map(M::Welcome),
        acks.prop_map(|(n, me, views, delay_ms)| M::HeartbeatAck { n, me, views, delay_ms }),
        page(),
        (view_id(), proof()).prop_map(|(view, proof)| M::SnapshotEnd { view, proof }),
        (view_id(), integer(), proof(), vec(change(), 0..20))
            .prop_map(|(view, from, proof, changes)| M::Delta { view, from, proof, changes }),
        (narrow(), option::of(view_id())).prop_map(|(request, view)| M::Result { request, view }),
        (narrow(), code, ".{0,40}").prop_map(|(request, code, text)| M::Error {
            request,
            code,
            text
        }),
        (close_reason(), any::<bool>(), integer(), ".{0,40}").prop_map(
            |(reason, reconnect, come_back_after_ms, text)| {
                M::Goodbye { reason, reconnect, come_back_after_ms, text }
            }
        ),
        chosen.prop_map(M::Chosen),
        (narrow(), narrow(), vec(entry(), 0..8), option::of(user_id())).prop_map(
            |(request, count, entries, next)| M::People { request, count, entries, next }
        ),
        (narrow(), explanation())
            .prop_map(|(request, explanation)| M::Explanation { request, explanation }),
        (narrow(), health()).prop_map(|(request, health)| M::Health { request, health }),
        buckets(),
    ]
}

/// The body of a frame that must be exactly one.
fn body(frame: &[u8]) -> &[u8] {
    let mut rest = frame;
    let body = split_body(&mut rest, FRAME_BYTES_MAX).expect("the length is fine");
    assert!(rest.is_empty(), "one message is one frame");
    body.expect("the frame is whole")
}

/// `body` with more elements at the end of its array, as a later version would write it.
fn with_more_fields(body: &[u8], count: usize, fields: &[u8]) -> Vec<u8> {
    let (fields_now, rest) = match body[0] {
        0xdc => (u16::from_be_bytes([body[1], body[2]]).into(), &body[3..]),
        head => {
            assert_eq!(head & 0xf0, 0x90, "a message is an array");
            (usize::from(head & 0x0f), &body[1..])
        }
    };
    let count = u16::try_from(fields_now + count).expect("a few fields");
    [&[0xdc], &count.to_be_bytes()[..], rest, fields].concat()
}

/// What a writer leaves out at the end where it says nothing, and must say if anything follows.
fn left_out_by_client(message: &ClientMessage) -> Vec<Vec<u8>> {
    match message {
        ClientMessage::Hello(Hello { credential: None, .. }) => vec![vec![0xc0]],
        _ => Vec::new(),
    }
}

/// The same for a server.
fn left_out_by_server(message: &ServerMessage) -> Vec<Vec<u8>> {
    match message {
        ServerMessage::Welcome(Welcome { credential_ms: 0, .. }) => vec![vec![0]],
        _ => Vec::new(),
    }
}

/// One MessagePack value of any type, nested at most three deep.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let fixed = |head: u8, bytes: usize| {
        vec(any::<u8>(), bytes).prop_map(move |data| [&[head][..], &data].concat())
    };
    let text = ".{0,7}".prop_map(|text| {
        [&[0xd9, u8::try_from(text.len()).expect("28 bytes at most")], text.as_bytes()].concat()
    });
    let bin = vec(any::<u8>(), 0..20)
        .prop_map(|data| [&[0xc4, u8::try_from(data.len()).expect("few")][..], &data].concat());
    let ext = vec(any::<u8>(), 1..20)
        .prop_map(|data| [&[0xc7, u8::try_from(data.len() - 1).expect("few")][..], &data].concat());
    let leaf = prop_oneof![
        proptest::sample::select(&[0xc0, 0xc2, 0xc3, 0x00, 0x7f, 0xe0, 0xff][..])
            .prop_map(|byte| vec![byte]),
        fixed(0xca, 4),
        fixed(0xcb, 8),
        fixed(0xcf, 8),
        fixed(0xd1, 2),
        fixed(0xd3, 8),
        fixed(0xd6, 5),
        text,
        bin,
        ext,
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let len = |values: &[Vec<u8>]| u8::try_from(values.len()).expect("few");
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(move |v| [vec![0x90 | len(&v)], v.concat()].concat()),
            vec((inner.clone(), inner), 0..5).prop_map(|pairs| {
                let head = 0x80 | u8::try_from(pairs.len()).expect("few");
                let pairs = pairs.into_iter().flat_map(|(key, value)| [key, value].concat());
                std::iter::once(head).chain(pairs).collect()
            }),
        ]
    })
}

/// Decodes as both ends would; the result does not matter, only that there is one.
fn decode_both(body: &[u8]) {
    if let Err(error) = Incoming::decode(body) {
        let _ = error.close_reason();
    }
    if let Ok(Some(message)) = ServerMessage::decode(body) {
        // Whatever was accepted can be said, and means the same then.
        let again = message.encode();
        assert_eq!(ServerMessage::decode(&again[FRAME_PREFIX_BYTES..]), Ok(Some(message)));
    }
}

proptest! {
    #[test]
    fn a_client_message_survives_the_wire(message in client_message()) {
        let frame = message.encode();
        prop_assert_eq!(Incoming::decode(body(&frame)), Ok(Incoming::Message(message)));
    }

    #[test]
    fn a_server_message_survives_the_wire(message in server_message()) {
        let frame = message.encode();
        prop_assert_eq!(ServerMessage::decode(body(&frame)), Ok(Some(message)));
    }

    #[test]
    fn a_stream_of_frames_is_read_whole_however_it_was_cut(
        messages in vec(server_message(), 1..5),
        cuts in vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let mut stream = BytesMut::new();
        for message in &messages {
            message.encode_into(&mut stream);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let (mut buffer, mut start, mut read) = (BytesMut::new(), 0, Vec::new());
        for cut in cuts {
            buffer.extend_from_slice(&stream[start..cut]);
            start = cut;
            while let Some(body) = take_body(&mut buffer, FRAME_BYTES_MAX).expect("sound lengths") {
                read.extend(ServerMessage::decode(&body).expect("a sound message"));
            }
        }
        prop_assert_eq!(read, messages);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn fields_of_a_later_version_change_nothing_for_a_server(
        message in client_message(),
        more in vec(any_value(), 1..4),
    ) {
        let more = [left_out_by_client(&message), more].concat();
        let longer = with_more_fields(body(&message.encode()), more.len(), &more.concat());
        prop_assert_eq!(Incoming::decode(&longer), Ok(Incoming::Message(message)));
    }

    #[test]
    fn fields_of_a_later_version_change_nothing_for_a_client(
        message in server_message(),
        more in vec(any_value(), 1..4),
    ) {
        let more = [left_out_by_server(&message), more].concat();
        let longer = with_more_fields(body(&message.encode()), more.len(), &more.concat());
        prop_assert_eq!(ServerMessage::decode(&longer), Ok(Some(message)));
    }

    #[test]
    fn a_truncated_message_is_an_error(
        message in prop_oneof![
            client_message().prop_map(|message| message.encode()),
            server_message().prop_map(|message| message.encode()),
        ],
        cut in any::<proptest::sample::Index>(),
    ) {
        let whole = body(&message);
        let part = &whole[..cut.index(whole.len())];
        prop_assert!(Incoming::decode(part).is_err());
        prop_assert!(ServerMessage::decode(part).is_err());
    }

    #[test]
    fn flipped_bits_never_panic(
        message in prop_oneof![
            client_message().prop_map(|message| message.encode()),
            server_message().prop_map(|message| message.encode()),
        ],
        flips in vec((any::<proptest::sample::Index>(), 0..8_u8), 1..4),
    ) {
        let mut bytes = body(&message).to_vec();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        decode_both(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        decode_both(&bytes);
    }

    #[test]
    fn a_known_op_with_random_fields_never_panics(
        op in prop_oneof![1..=10_u8, 65..=77_u8],
        fields in vec(any_value(), 0..15),
    ) {
        let head = 0x90 | u8::try_from(fields.len() + 1).expect("fewer than 16 elements");
        decode_both(&[vec![head, op], fields.concat()].concat());
    }

    #[test]
    fn a_pairing_code_names_exactly_one_key(key in bin(), other in bin()) {
        let (code, another) = (pairing::code(UserKey(key)), pairing::code(UserKey(other)));
        prop_assert_eq!(pairing::key(&code), Ok(UserKey(key)));
        prop_assert_eq!(code == another, key == other);
    }

    #[test]
    fn what_is_encoded_once_is_byte_for_byte_the_message(
        entries in vec(entry(), 0..6),
        shown in shown(),
        (view, from, proof, cause) in (view_id(), integer(), proof(), close_reason()),
    ) {
        let encoded: Vec<_> = entries.iter().map(EncodedEntry::new).collect();
        let decoded: Vec<_> = encoded.iter().map(EncodedEntry::decode).collect();
        prop_assert_eq!(&decoded, &entries);
        let (first, last) = (UserId(3), UserId(1 << 20));
        let page = page_frame(view, first, last, encoded.iter());
        prop_assert_eq!(page, ServerMessage::SnapshotPage { view, first, last, entries }.encode());

        let (mut built, mut changes) = (Changes::default(), Vec::new());
        for (entry, old) in decoded.into_iter().zip(&encoded) {
            let (id, name) = (entry.id, entry.name.clone());
            let new = old.showing(&shown);
            let shown = shown.clone();
            prop_assert_eq!(new.decode(), Entry { id, name, shown: shown.clone() });
            built.joined(old);
            built.updated(&new);
            built.left(id, cause);
            changes.extend([
                Change::Joined(entry),
                Change::Updated { id, shown },
                Change::Left { id, cause },
            ]);
        }
        let delta = ServerMessage::Delta { view, from, proof, changes }.encode();
        prop_assert_eq!(built.frame(view, from, proof), delta);
    }
}
