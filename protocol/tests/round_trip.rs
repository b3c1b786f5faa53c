//! Any message survives the wire, and no bytes whatsoever make the reader panic.

use std::time::Duration;

use bytes::BytesMut;
use herenow_protocol::frame::{split_body, take_body};
use herenow_protocol::limits::{FRAME_BYTES_MAX, FRAME_PREFIX_BYTES, INTEGER_MAX};
use herenow_protocol::message::Incoming;
use herenow_protocol::{
    Change, ClientMessage, CloseReason, DeviceId, Digest, DisplayName, Entry, Epoch, ErrorCode,
    Hello, Presence, ServerMessage, SessionId, Status, StatusText, UserId, ViewId, ViewProof,
    Violation, Welcome,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Integers of every length on the wire, not just the long ones that `0..=MAX` nearly always gives.
fn integer() -> impl Strategy<Value = u64> {
    (0..=INTEGER_MAX, 0..53_u32).prop_map(|(number, shift)| number >> shift)
}

fn narrow() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(number, shift)| number >> shift)
}

/// Letters of one to four bytes, spaces and marks; the rule of names decides.
fn name() -> impl Strategy<Value = DisplayName> {
    "[a-zA-Zé李ш🦊\u{5d0} '-]{1,20}"
        .prop_filter_map("a rule of names", |name| DisplayName::new(name.trim()).ok())
}

fn text() -> impl Strategy<Value = StatusText> {
    let texts = prop_oneof![Just(String::new()), "\\PC{0,140}", "[x🦊]{120,140}"];
    texts.prop_filter_map("a rule of texts", |text| StatusText::new(&text).ok())
}

fn status() -> impl Strategy<Value = Status> {
    proptest::sample::select(&Status::ALL[..])
}

fn presence() -> impl Strategy<Value = Presence> {
    (status(), text()).prop_map(|(status, text)| Presence { status, text })
}

fn close_reason() -> impl Strategy<Value = CloseReason> {
    let violation = (0..=7_u64).prop_map(Violation::from_wire).prop_map(CloseReason::ProtocolError);
    prop_oneof![3 => (0..=13_u64).prop_map(|number| CloseReason::from_wire(number, 0)), 1 => violation]
}

fn hello() -> impl Strategy<Value = Hello> {
    let heartbeat = option::of((1..=INTEGER_MAX).prop_map(Duration::from_millis));
    let device = "[A-Za-z0-9._-]{1,64}";
    let label = "[a-z é🦊]{0,16}";
    (name(), device, label, heartbeat, any::<bool>(), presence()).prop_map(
        |(name, device, label, heartbeat, observe, presence)| Hello {
            name,
            device: DeviceId::new(&device).expect("the pattern is the rule"),
            label,
            heartbeat,
            observe,
            presence,
        },
    )
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    use ClientMessage as M;
    let goodbye = prop_oneof![Just(CloseReason::Goodbye), Just(CloseReason::HeartbeatTimeout)];
    prop_oneof![
        hello().prop_map(M::Hello),
        integer().prop_map(|n| M::Heartbeat { n }),
        (narrow(), presence()).prop_map(|(request, presence)| M::SetStatus { request, presence }),
        (narrow(), ".{0,40}").prop_map(|(request, room)| M::Watch { request, room }),
        (narrow(), narrow()).prop_map(|(request, view)| M::Unwatch { request, view: ViewId(view) }),
        goodbye.prop_map(|reason| M::Goodbye { reason }),
    ]
}

fn proof() -> impl Strategy<Value = ViewProof> {
    (integer(), narrow(), any::<[u8; 16]>()).prop_map(|(version, count, digest)| ViewProof {
        version,
        count,
        digest: Digest::from_bytes(digest),
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    (narrow(), name(), presence(), integer()).prop_map(|(id, name, presence, since_ms)| Entry {
        id: UserId(id),
        name,
        presence,
        since_ms,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let updated = (narrow(), presence(), integer()).prop_map(|(id, presence, since_ms)| {
        Change::Updated { id: UserId(id), presence, since_ms }
    });
    let left =
        (narrow(), close_reason()).prop_map(|(id, cause)| Change::Left { id: UserId(id), cause });
    prop_oneof![entry().prop_map(Change::Joined), updated, left]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let numbers = (integer(), integer(), integer(), integer());
    (numbers, 1..=INTEGER_MAX, 1..=u32::MAX, any::<[u8; 16]>(), ".{0,40}").prop_map(
        |(numbers, heartbeat_ms, misses, epoch, server)| Welcome {
            version: numbers.0,
            session: SessionId(numbers.1),
            heartbeat_ms,
            misses,
            detection_bound_ms: numbers.2,
            epoch: Epoch(epoch),
            frame_bytes_max: numbers.3,
            server,
        },
    )
}

fn page() -> impl Strategy<Value = ServerMessage> {
    // A map, since the ids of a page ascend.
    let people = btree_map(narrow(), (name(), presence(), integer()), 0..20);
    (narrow(), people, any::<(bool, bool)>()).prop_map(|(view, people, (tight, open))| {
        let entries: Vec<_> = people
            .into_iter()
            .map(|(id, (name, presence, since_ms))| Entry {
                id: UserId(id),
                name,
                presence,
                since_ms,
            })
            .collect();
        let first = entries.first().filter(|_| tight).map_or(UserId(0), |entry| entry.id);
        let last = entries.last().filter(|_| !open).map_or(UserId(u32::MAX), |entry| entry.id);
        ServerMessage::SnapshotPage { view: ViewId(view), first, last, entries }
    })
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    use ServerMessage as M;
    let code = (0..=5_u64).prop_map(ErrorCode::from_wire);
    let view = || narrow().prop_map(ViewId);
    prop_oneof![
        welcome().prop_map(M::Welcome),
        (integer(), option::of(presence()), vec((view(), proof()), 0..8))
            .prop_map(|(n, me, views)| M::HeartbeatAck { n, me, views }),
        page(),
        (view(), proof()).prop_map(|(view, proof)| M::SnapshotEnd { view, proof }),
        (view(), integer(), proof(), vec(change(), 0..20))
            .prop_map(|(view, from, proof, changes)| M::Delta { view, from, proof, changes }),
        (narrow(), option::of(view())).prop_map(|(request, view)| M::Result { request, view }),
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
    assert_eq!(body[0] & 0xf0, 0x90, "messages have fewer than 16 fields, so a fixarray");
    let count = u16::try_from(usize::from(body[0] & 0x0f) + count).expect("a few fields");
    [&[0xdc], &count.to_be_bytes()[..], &body[1..], fields].concat()
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
        let longer = with_more_fields(body(&message.encode()), more.len(), &more.concat());
        prop_assert_eq!(Incoming::decode(&longer), Ok(Incoming::Message(message)));
    }

    #[test]
    fn fields_of_a_later_version_change_nothing_for_a_client(
        message in server_message(),
        more in vec(any_value(), 1..4),
    ) {
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
        op in prop_oneof![1..=6_u8, 65..=72_u8],
        fields in vec(any_value(), 0..10),
    ) {
        let head = 0x90 | u8::try_from(fields.len() + 1).expect("few fields");
        decode_both(&[vec![head, op], fields.concat()].concat());
    }
}
