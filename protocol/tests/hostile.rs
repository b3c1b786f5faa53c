//! Bytes from a peer that means harm, or whose MessagePack library is broken.
//!
//! Every test is one way in which a lenient reader lets something through: it believes an announced
//! length, descends as deep as it is told, or takes one type for another.

use herenow_protocol::frame::{body_len, split_body, take_body};
use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FRAME_BYTES_MAX, HELLO_BYTES_MAX, HELLO_VIEWS_MAX, LIST_ELEMENTS_MAX,
    METADATA_PAIRS_MAX, NAMES_MAX, NESTING_MAX, REPAIR_RANGES_MAX, SERVER_FRAME_BYTES_MAX,
    SESSIONS_MAX,
};
use herenow_protocol::message::{BadHello, Incoming};
use herenow_protocol::{ClientMessage, DecodeError, ServerMessage, Violation};

/// What a field of a known message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uint,
    UintOrNil,
    Str,
    StrOrNil,
    Bool,
    Bin,
    BinOrNil,
    /// A `bin` of any number of digests.
    Digests,
    Array,
    ArrayOrNil,
    /// A list of `str`.
    Texts,
    /// A list of integers.
    Uints,
    Map,
    MapOrNil,
}

/// Who sends a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    Client,
    Server,
}

/// A valid message with all its fields, each as MessagePack.
struct Sample {
    name: &'static str,
    sender: Sender,
    fields: Vec<(Kind, Vec<u8>)>,
    /// Fields from here on have defaults.
    required: usize,
}

const DIGEST: [u8; 18] = [0xc4, 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

fn uint(n: u8) -> (Kind, Vec<u8>) {
    (Kind::Uint, vec![n])
}

fn uint_or_nil(n: u8) -> (Kind, Vec<u8>) {
    (Kind::UintOrNil, vec![n])
}

fn text(text: &str) -> (Kind, Vec<u8>) {
    (Kind::Str, fixstr(text))
}

fn boolean() -> (Kind, Vec<u8>) {
    (Kind::Bool, vec![0xc3])
}

fn digest() -> (Kind, Vec<u8>) {
    (Kind::Bin, DIGEST.to_vec())
}

fn bin_or_nil() -> (Kind, Vec<u8>) {
    (Kind::BinOrNil, DIGEST.to_vec())
}

fn list(elements: &[Vec<u8>]) -> (Kind, Vec<u8>) {
    (Kind::Array, array(elements))
}

fn texts(elements: &[&str]) -> (Kind, Vec<u8>) {
    let elements: Vec<_> = elements.iter().map(|element| fixstr(element)).collect();
    (Kind::Texts, array(&elements))
}

fn fixstr(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).expect("test texts are short");
    assert!(len < 32, "test texts are short");
    [&[0xa0 | len], text.as_bytes()].concat()
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let len = u16::try_from(elements.len()).expect("test arrays are short");
    let head = match u8::try_from(len) {
        Ok(len @ 0..16) => vec![0x90 | len],
        _ => [&[0xdc][..], &len.to_be_bytes()].concat(),
    };
    [head, elements.concat()].concat()
}

fn map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let len = u16::try_from(pairs.len()).expect("test maps are short").to_be_bytes();
    let pairs = pairs.iter().flat_map(|(key, value)| [fixstr(key), fixstr(value)].concat());
    [&[0xde][..], &len].concat().into_iter().chain(pairs).collect()
}

/// What others are shown, as the end of an entry and of changes.
fn shown() -> Vec<(Kind, Vec<u8>)> {
    let devices = texts(&["phone", ""]);
    let metadata = (Kind::Map, map(&[("a", "1"), ("b", "")]));
    vec![uint(0), text("tea"), uint(9), boolean(), uint(7), devices, metadata]
}

fn entry(id: u8) -> Vec<u8> {
    bytes_of(&[vec![uint(id), text("ada")], shown()].concat())
}

fn client_samples() -> Vec<Sample> {
    let sample = |name, op, required: usize, fields: Vec<_>| {
        let fields = [vec![uint(op)], fields].concat();
        Sample { name, sender: Sender::Client, fields, required: required + 1 }
    };
    let pair = |a, b| array(&[vec![a], vec![b]]);
    let text_or_nil = || (Kind::StrOrNil, fixstr("tea"));
    let hello = vec![
        uint(1),
        text("ada"),
        text("d1"),
        text("phone"),
        uint(100),
        boolean(),
        uint(1),
        text_or_nil(),
        boolean(),
        uint(9),
        bin_or_nil(),
        bin_or_nil(),
        bin_or_nil(),
        list(&[pair(1, 17)]),
    ];
    let metadata = (Kind::MapOrNil, map(&[("b", "1"), ("a", "2")]));
    let set_status = vec![uint(1), uint(3), text_or_nil(), boolean(), uint(9), metadata];
    let people = vec![uint(1), uint(1), texts(&["ada", "bob"]), uint(3)];
    let query = |kind, rest: Vec<_>| [vec![uint(1), uint(kind)], rest].concat();
    vec![
        sample("Hello", 1, 3, hello),
        sample("Heartbeat", 2, 1, vec![uint(1), uint(9)]),
        sample("SetStatus", 3, 2, set_status),
        sample("Watch of a room", 4, 3, vec![uint(1), uint(0), text("lobby")]),
        sample("Watch of people", 4, 3, people),
        sample("Unwatch", 5, 2, vec![uint(1), uint(1)]),
        sample("Goodbye of a client", 6, 0, vec![uint(0)]),
        sample("Join", 7, 2, vec![uint(1), text("attic")]),
        sample("Leave", 8, 2, vec![uint(1), text("attic")]),
        sample("Query for people", 9, 3, query(0, vec![texts(&["ada", "bob"])])),
        sample("Query for a count", 9, 3, query(1, vec![text("lobby")])),
        sample("Query for a page", 9, 3, query(2, vec![text("lobby"), uint(5)])),
        sample("Query for a reason", 9, 3, query(3, vec![text("ada"), bin_or_nil()])),
        sample("Query for health", 9, 2, query(4, vec![bin_or_nil()])),
        sample("Repair", 10, 2, vec![uint(1), uint(1), list(&[pair(0, 9), pair(20, 29)])]),
    ]
}

/// A session of an explanation.
fn session_report() -> Vec<(Kind, Vec<u8>)> {
    let mut fields = vec![uint(7), text("phone"), uint(1), uint(3), boolean(), uint(9), uint(5)];
    fields.extend([uint_or_nil(4), uint_or_nil(3), uint(1), uint_or_nil(2), uint_or_nil(1)]);
    fields
}

/// A transition of an explanation.
fn transition() -> Vec<(Kind, Vec<u8>)> {
    let (session, cause, status) = (uint_or_nil(7), uint_or_nil(5), uint_or_nil(4));
    vec![uint(9), uint(3), session, cause, uint(2), uint(8), status]
}

fn server_samples() -> Vec<Sample> {
    let sample = |name, op, required: usize, fields: Vec<_>| {
        let fields = [vec![uint(op)], fields].concat();
        Sample { name, sender: Sender::Server, fields, required: required + 1 }
    };
    let proof = array(&[vec![1], vec![18], vec![1], DIGEST.to_vec()]);
    let joined = bytes_of(&[vec![uint(0), uint(1), text("ada")], shown()].concat());
    let me = || (Kind::ArrayOrNil, array(&[vec![1], fixstr("tea"), vec![0xc3], vec![7]]));
    let mut welcome = vec![uint(1), uint(7), uint(100), uint(5), uint(127), digest(), uint(64)];
    let views = (Kind::Uints, array(&[vec![1], vec![2]]));
    welcome.extend([text("herenow"), bin_or_nil(), boolean(), uint(60), views]);
    let page = vec![uint(1), uint(0), uint(9), list(&[entry(3), entry(4)])];
    let delta = vec![uint(1), uint(17), uint(18), uint(1), digest(), list(&[joined])];
    let chosen = vec![uint(3), (Kind::StrOrNil, fixstr("tea")), boolean(), uint(9)];
    let people = vec![uint(1), uint(2), list(&[entry(0), entry(1)]), uint_or_nil(9)];
    let sessions = list(&[bytes_of(&session_report())]);
    let transitions = list(&[bytes_of(&transition())]);
    let explanation =
        vec![uint(1), text("ada"), me(), uint(3), uint_or_nil(7), sessions, transitions];
    let mut health = vec![uint(1), uint(2), uint(3), uint(1), uint(4), uint(5), uint(6)];
    health.push(text("fine"));
    let digests = (Kind::Digests, [vec![0xc4, 32], vec![7; 32]].concat());
    vec![
        sample("Welcome", 65, 7, welcome),
        sample("HeartbeatAck", 66, 3, vec![uint(1), me(), list(&[proof]), uint(30)]),
        sample("SnapshotPage", 67, 4, page),
        sample("SnapshotEnd", 68, 4, vec![uint(1), uint(18), uint(1), digest()]),
        sample("Delta", 69, 6, delta),
        sample("Result", 70, 1, vec![uint(1), uint_or_nil(3)]),
        sample("Error", 71, 2, vec![uint(1), uint(1), text("no")]),
        sample("Goodbye", 72, 1, vec![uint(5), uint(3), boolean(), uint(9), text("bye")]),
        sample("Chosen", 73, 1, chosen),
        sample("People", 74, 2, people),
        sample("Explanation", 75, 7, explanation),
        sample("Health", 76, 7, health),
        sample("Buckets", 77, 4, vec![uint(1), uint(2), uint(16), digests, boolean()]),
    ]
}

fn samples() -> Vec<Sample> {
    client_samples().into_iter().chain(server_samples()).collect()
}

/// An array inside of a message.
struct Inner {
    name: &'static str,
    sender: Sender,
    /// The message around it.
    around: fn(Vec<u8>) -> Vec<u8>,
    fields: Vec<(Kind, Vec<u8>)>,
    /// Fields from here on have defaults.
    required: usize,
}

fn in_ack_me(me: Vec<u8>) -> Vec<u8> {
    array(&[vec![66], vec![1], me, vec![0x90]])
}

fn in_page(entry: Vec<u8>) -> Vec<u8> {
    array(&[vec![67], vec![1], vec![0], vec![9], array(&[entry])])
}

fn in_delta(change: Vec<u8>) -> Vec<u8> {
    array(&[vec![69], vec![1], vec![1], vec![2], vec![1], DIGEST.to_vec(), array(&[change])])
}

fn in_explanation(me: Vec<u8>, sessions: &[Vec<u8>], transitions: &[Vec<u8>]) -> Vec<u8> {
    let (sessions, transitions) = (array(sessions), array(transitions));
    array(&[vec![75], vec![1], fixstr("ada"), me, vec![1], vec![0xc0], sessions, transitions])
}

fn in_hello(views: Vec<u8>) -> Vec<u8> {
    let token = DIGEST.to_vec();
    let nil = || vec![0xc0];
    let before = [vec![1], vec![1], fixstr("ada"), fixstr("d1"), fixstr(""), vec![0], vec![0xc2]];
    let after = [vec![0], nil(), vec![0xc3], vec![0], nil(), token, nil(), views];
    array(&[before.to_vec(), after.to_vec()].concat())
}

fn inner_arrays() -> Vec<Inner> {
    use Sender::{Client, Server};
    let inner =
        |name, sender, around, required, fields| Inner { name, sender, around, fields, required };
    let me = || vec![uint(1), text("tea"), boolean(), uint(9)];
    let proof = vec![uint(1), uint(18), uint(1), digest()];
    let with_shown = |before: Vec<_>| [before, shown()].concat();
    let in_views = |view| in_hello(array(&[view]));
    let in_ranges = |range| array(&[vec![10], vec![1], vec![1], array(&[range])]);
    let in_proofs = |proof| array(&[vec![66], vec![1], vec![0xc0], array(&[proof])]);
    let in_people = |entry| array(&[vec![74], vec![1], vec![1], array(&[entry])]);
    vec![
        inner("a view to go on with", Client, in_views, 2, vec![uint(1), uint(17)]),
        inner("a range", Client, in_ranges, 2, vec![uint(1), uint(9)]),
        inner("me", Server, in_ack_me, 1, me()),
        inner("me of an explanation", Server, |me| in_explanation(me, &[], &[]), 1, me()),
        inner("a proof", Server, in_proofs, 4, proof),
        inner("an entry", Server, in_page, 5, with_shown(vec![uint(1), text("ada")])),
        inner("a person", Server, in_people, 5, with_shown(vec![uint(1), text("ada")])),
        inner("a join", Server, in_delta, 6, with_shown(vec![uint(0), uint(1), text("ada")])),
        inner("an update", Server, in_delta, 5, with_shown(vec![uint(1), uint(1)])),
        inner("a leave", Server, in_delta, 3, vec![uint(2), uint(1), uint(5), uint(3)]),
        inner(
            "a session",
            Server,
            |session| in_explanation(vec![0xc0], &[session], &[]),
            12,
            session_report(),
        ),
        inner(
            "a transition",
            Server,
            |transition| in_explanation(vec![0xc0], &[], &[transition]),
            7,
            transition(),
        ),
    ]
}

fn bytes_of(fields: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    array(&fields.iter().map(|field| field.1.clone()).collect::<Vec<_>>())
}

/// The violation of a body, `None` if it has none. On the stack of a thread, 2 MiB, since a debug
/// build that recurses needs most.
fn violation(sender: Sender, body: &[u8]) -> Option<Violation> {
    let body = body.to_vec();
    let decode = move || match sender {
        Sender::Client => Incoming::decode(&body).err(),
        Sender::Server => ServerMessage::decode(&body).err(),
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(decode);
    let error = thread.expect("a thread can be started").join().expect("decoding never panics");
    error.as_ref().map(DecodeError::violation)
}

/// Both ends must see the same violation in `body`.
#[track_caller]
fn assert_both(body: &[u8], expected: Option<Violation>) {
    for sender in [Sender::Client, Sender::Server] {
        assert_eq!(violation(sender, body), expected, "{sender:?}: {body:02x?}");
    }
}

/// One value of every type, and which kinds of field may hold it.
fn one_of_each_type() -> Vec<(&'static str, Vec<u8>, &'static [Kind])> {
    use Kind as K;
    vec![
        ("nil", vec![0xc0], &[K::UintOrNil, K::StrOrNil, K::BinOrNil, K::ArrayOrNil, K::MapOrNil]),
        ("true", vec![0xc3], &[K::Bool]),
        ("a number", vec![1], &[K::Uint, K::UintOrNil]),
        ("a float32", vec![0xca, 0x3f, 0x80, 0, 0], &[]),
        ("a float64", vec![0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], &[]),
        ("a str", fixstr("1234567890123456"), &[K::Str, K::StrOrNil]),
        ("a bin of text", vec![0xc4, 3, b'a', b'd', b'a'], &[K::Bin, K::BinOrNil, K::Digests]),
        ("an empty bin", vec![0xc4, 0], &[K::Bin, K::BinOrNil, K::Digests]),
        ("a bin of small numbers", vec![0xc4, 2, 1, 1], &[K::Bin, K::BinOrNil, K::Digests]),
        ("an empty map", vec![0x80], &[K::Map, K::MapOrNil]),
        ("a map to a number", vec![0x81, 0xa1, b'n', 1], &[]),
        ("a map to a bin", vec![0x81, 0xa1, b'n', 0xc4, 0], &[]),
        ("a map to nil", vec![0x81, 0xa1, b'n', 0xc0], &[]),
        ("a map from a bin", vec![0x81, 0xc4, 1, b'n', 0xa0], &[]),
        ("an enum of serde", vec![0x81, 0, 0x91, 1], &[]),
        ("a fixext", vec![0xd4, 1, 0], &[]),
        ("a timestamp", vec![0xd6, 0xff, 0, 0, 0, 1], &[]),
        ("an ext8", vec![0xc7, 2, 1, 0, 0], &[]),
        ("an empty array", vec![0x90], &[K::Array, K::Texts, K::Uints]),
    ]
}

#[test]
fn the_samples_are_valid_and_only_their_required_fields_are_required() {
    for sample in samples() {
        for len in 1..=sample.fields.len() {
            let got = violation(sample.sender, &bytes_of(&sample.fields[..len]));
            let expected = (len < sample.required).then_some(Violation::WrongShape);
            assert_eq!(got, expected, "{} with {len} elements", sample.name);
        }
    }
    for Inner { name, sender, around, fields, required } in inner_arrays() {
        for len in 0..=fields.len() {
            let got = violation(sender, &around(bytes_of(&fields[..len])));
            let expected = (len < required).then_some(Violation::WrongShape);
            assert_eq!(got, expected, "{name} with {len} elements");
        }
    }
}

#[test]
fn no_field_takes_a_value_of_another_type() {
    for sample in samples() {
        for (place, (kind, _)) in sample.fields.iter().enumerate() {
            for (name, value, allowed) in one_of_each_type() {
                if allowed.contains(kind) || (*kind == Kind::ArrayOrNil && name == "an empty array")
                {
                    continue;
                }
                let mut fields = sample.fields.clone();
                fields[place].1 = value;
                let got = violation(sample.sender, &bytes_of(&fields));
                let message = sample.name;
                assert_eq!(
                    got,
                    Some(Violation::WrongShape),
                    "{name} as field {place} of {message}"
                );
            }
        }
    }
}

#[test]
fn no_field_of_an_inner_array_takes_a_value_of_another_type() {
    for Inner { name: array_name, sender, around, fields, .. } in inner_arrays() {
        for (place, (kind, _)) in fields.iter().enumerate() {
            for (name, value, allowed) in one_of_each_type() {
                if allowed.contains(kind) {
                    continue;
                }
                let mut fields = fields.clone();
                fields[place].1 = value;
                let got = violation(sender, &around(bytes_of(&fields)));
                assert_eq!(
                    got,
                    Some(Violation::WrongShape),
                    "{name} as field {place} of {array_name}"
                );
            }
        }
        for (name, value, _) in one_of_each_type() {
            if name == "nil" && array_name.starts_with("me") {
                continue;
            }
            let got = violation(sender, &around(value));
            assert_eq!(got, Some(Violation::WrongShape), "{name} instead of {array_name}");
        }
    }
}

#[test]
fn a_message_is_an_array_and_nothing_else() {
    for (name, value, _) in one_of_each_type() {
        assert_both(&value, Some(Violation::WrongShape));
        if name != "a number" {
            assert_both(&array(&[value]), Some(Violation::WrongShape));
        }
    }
    // A bin whose bytes read like the elements of a Heartbeat and of an ack.
    assert_both(&[0xc4, 2, 2, 5], Some(Violation::WrongShape));
    // A map with the integer keys of the fields, as some libraries write structs.
    assert_both(&[0x82, 0, 2, 1, 5], Some(Violation::WrongShape));
}

#[test]
fn an_array_that_announces_billions_of_elements_is_cut_short() {
    let huge: [&[u8]; 2] = [&[0xdd, 0xff, 0xff, 0xff, 0xff], &[0xdf, 0xff, 0xff, 0xff, 0xff]];
    for huge in huge {
        assert_both(huge, Some(Violation::NotMessagePack));
        assert_both(&[huge, &[2, 1]].concat(), Some(Violation::NotMessagePack));
        for sample in samples() {
            for place in 0..sample.fields.len() {
                let mut fields = sample.fields.clone();
                fields[place].1 = huge.to_vec();
                let got = violation(sample.sender, &bytes_of(&fields));
                assert_eq!(
                    got,
                    Some(Violation::NotMessagePack),
                    "field {place} of {}",
                    sample.name
                );
            }
        }
    }
}

#[test]
fn bytes_that_announce_four_gigabytes_are_cut_short() {
    let huge: [(u8, &[u8]); 6] = [
        (0xdb, &[]),      // str 32
        (0xc6, &[]),      // bin 32
        (0xc9, &[1]),     // ext 32
        (0xdb, b"ab"),    // str 32 with a little of it
        (0xc6, &[0; 40]), // bin 32 with a little of it
        (0xc9, &[0; 40]), // ext 32 with a little of it
    ];
    for (marker, rest) in huge {
        let value = [&[marker, 0xff, 0xff, 0xff, 0xff], rest].concat();
        assert_both(&value, Some(Violation::NotMessagePack));
        for sample in samples() {
            for place in 0..sample.fields.len() {
                let fields = &sample.fields[..place];
                let body = [&bytes_of(fields)[1..], &value].concat();
                let body =
                    [vec![0x90 | u8::try_from(place + 1).expect("few fields")], body].concat();
                let got = violation(sample.sender, &body);
                assert_eq!(
                    got,
                    Some(Violation::NotMessagePack),
                    "field {place} of {}",
                    sample.name
                );
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused_at_every_place() {
    // Arrays, maps, and the shapes in which serde writes enums, nested as deep as a frame is long.
    let nests: [(&[u8], &[u8]); 4] = [
        (&[0x91], &[0xc0]),
        (&[0x81, 0xc0], &[0xc0]),
        (&[0x81, 0x00], &[0x00]),
        (&[0x81, 0xa1, b'D'], &[0x90]),
    ];
    for (level, bottom) in nests {
        for levels in [usize::from(NESTING_MAX) + 1, 1_022, 5_000, 20_000] {
            let nest = [level.repeat(levels), bottom.to_vec()].concat();
            if nest.len() > FRAME_BYTES_MAX {
                continue;
            }
            assert_both(&nest, Some(Violation::NotMessagePack));
            for sample in samples() {
                for place in 0..=sample.fields.len() {
                    let mut fields = sample.fields.clone();
                    fields.truncate(place);
                    fields.push((Kind::Array, nest.clone()));
                    let got = violation(sample.sender, &bytes_of(&fields));
                    let name = sample.name;
                    assert_eq!(got, Some(Violation::NotMessagePack), "field {place} of {name}");
                }
            }
        }
    }
}

#[test]
fn a_field_to_ignore_may_nest_exactly_as_deep_as_documented() {
    // The message itself is the first level.
    let inside = usize::from(NESTING_MAX) - 1;
    for bottom in [vec![0xc0], vec![0x90], vec![0x80]] {
        let levels = if bottom[0] == 0xc0 { inside } else { inside - 1 };
        let nest = |levels| [vec![0x91; levels], bottom.clone()].concat();
        assert_eq!(
            violation(Sender::Client, &array(&[vec![2], vec![1], vec![0], nest(levels)])),
            None
        );
        let deeper = array(&[vec![2], vec![1], vec![0], nest(levels + 1)]);
        assert_eq!(violation(Sender::Client, &deeper), Some(Violation::NotMessagePack));
    }
}

#[test]
fn bytes_after_the_value_are_refused() {
    for sample in samples() {
        let body = bytes_of(&sample.fields);
        for tail in [&[0xc0][..], &[0x92, 2, 1], &[0xc1], &[0; 100], &body] {
            let got = violation(sample.sender, &[&body, tail].concat());
            assert_eq!(got, Some(Violation::TrailingBytes), "{} and {tail:02x?}", sample.name);
        }
    }
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for sample in samples() {
        let body = bytes_of(&sample.fields);
        for cut in 0..body.len() {
            let got = violation(sample.sender, &body[..cut]);
            assert_eq!(got, Some(Violation::NotMessagePack), "{} cut at {cut}", sample.name);
        }
    }
}

#[test]
fn a_str_that_is_not_utf_8_is_refused_everywhere() {
    // Cut short, overlong, a surrogate, and sixteen bytes that a digest could be mistaken for.
    let texts: [&[u8]; 4] = [
        &[0xa1, 0xc3],
        &[0xa2, 0xc0, 0x80],
        &[0xa3, 0xed, 0xa0, 0x80],
        &[&[0xb0][..], &[0xff; 16]].concat(),
    ];
    for text in texts {
        assert_both(text, Some(Violation::NotMessagePack));
        // As the first field of an op that nobody knows.
        assert_both(&array(&[vec![99], text.to_vec()]), Some(Violation::NotMessagePack));
        for sample in samples() {
            for place in 0..=sample.fields.len() {
                let mut fields = sample.fields.clone();
                fields.truncate(place);
                fields.push((Kind::Str, text.to_vec()));
                let got = violation(sample.sender, &bytes_of(&fields));
                let name = sample.name;
                assert_eq!(got, Some(Violation::NotMessagePack), "field {place} of {name}");
            }
        }
    }
}

#[test]
fn the_byte_that_messagepack_never_uses_is_refused_everywhere() {
    assert_both(&[0xc1], Some(Violation::NotMessagePack));
    assert_both(&[0x92, 99, 0xc1], Some(Violation::NotMessagePack));
    assert_both(&[0x92, 99, 0x91, 0xc1], Some(Violation::NotMessagePack));
    for sample in samples() {
        for place in 0..=sample.fields.len() {
            let mut fields = sample.fields.clone();
            fields.truncate(place);
            fields.push((Kind::Uint, vec![0xc1]));
            let got = violation(sample.sender, &bytes_of(&fields));
            assert_eq!(got, Some(Violation::NotMessagePack), "field {place} of {}", sample.name);
        }
    }
}

#[test]
fn negative_and_overlarge_integers_are_refused_in_every_field() {
    let two_to_53 = [&[0xcf][..], &(1_u64 << 53).to_be_bytes()].concat();
    let outside: [Vec<u8>; 7] = [
        vec![0xff],
        vec![0xd0, 0x80],
        vec![0xd1, 0xff, 0xff],
        vec![0xd2, 0x80, 0, 0, 0],
        vec![0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        two_to_53,
        vec![0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    let is_number = |kind| matches!(kind, Kind::Uint | Kind::UintOrNil);
    for value in outside {
        for sample in samples() {
            for place in 0..sample.fields.len() {
                let mut fields = sample.fields.clone();
                if is_number(fields[place].0) {
                    fields[place].1 = value.clone();
                    let got = violation(sample.sender, &bytes_of(&fields));
                    let name = sample.name;
                    assert_eq!(
                        got,
                        Some(Violation::OutOfRange),
                        "{value:02x?} at {place} in {name}"
                    );
                }
            }
        }
        for Inner { name, sender, around, fields, .. } in inner_arrays() {
            for place in 0..fields.len() {
                let mut fields = fields.clone();
                if is_number(fields[place].0) {
                    fields[place].1 = value.clone();
                    let got = violation(sender, &around(bytes_of(&fields)));
                    assert_eq!(
                        got,
                        Some(Violation::OutOfRange),
                        "{value:02x?} at {place} in {name}"
                    );
                }
            }
        }
    }
}

#[test]
fn numbers_that_are_32_bits_wide_are_refused_beyond() {
    let wide = vec![0xcf, 0, 0, 0, 1, 0, 0, 0, 0];
    // Message and place: request, view, count, ids, width and misses.
    let narrow = [
        ("SetStatus", &[1][..]),
        ("Watch of a room", &[1]),
        ("Watch of people", &[1, 4]),
        ("Unwatch", &[1, 2]),
        ("Join", &[1]),
        ("Leave", &[1]),
        ("Query for people", &[1]),
        ("Query for a count", &[1]),
        ("Query for a page", &[1, 4]),
        ("Query for a reason", &[1]),
        ("Query for health", &[1]),
        ("Repair", &[1, 2]),
        ("Welcome", &[4]),
        ("SnapshotPage", &[1, 2, 3]),
        ("SnapshotEnd", &[1, 3]),
        ("Delta", &[1, 4]),
        ("Result", &[1, 2]),
        ("Error", &[1]),
        ("People", &[1, 2, 4]),
        ("Explanation", &[1]),
        ("Health", &[1]),
        ("Buckets", &[1, 2, 3]),
    ];
    for (name, places) in narrow {
        for &place in places {
            let sample = samples().into_iter().find(|s| s.name == name).expect("it is a sample");
            let mut fields = sample.fields;
            fields[place].1 = wide.clone();
            let got = violation(sample.sender, &bytes_of(&fields));
            assert_eq!(got, Some(Violation::OutOfRange), "field {place} of {name}");
        }
    }
    let narrow = [
        ("a view to go on with", &[0][..]),
        ("a range", &[0, 1]),
        ("a proof", &[0, 2]),
        ("an entry", &[0]),
        ("a join", &[1]),
        ("an update", &[1]),
        ("a leave", &[1]),
        ("a session", &[9]),
    ];
    for (name, places) in narrow {
        for &place in places {
            let inner = inner_arrays().into_iter().find(|inner| inner.name == name);
            let Inner { sender, around, mut fields, .. } = inner.expect("it is an inner array");
            fields[place].1 = wide.clone();
            let got = violation(sender, &around(bytes_of(&fields)));
            assert_eq!(got, Some(Violation::OutOfRange), "field {place} of {name}");
        }
    }
    let welcome = samples().into_iter().find(|sample| sample.name == "Welcome");
    let mut fields = welcome.expect("it is a sample").fields;
    fields[12].1 = array(&[wide]);
    let got = violation(Sender::Server, &bytes_of(&fields));
    assert_eq!(got, Some(Violation::OutOfRange), "a view that goes on");
}

#[test]
fn a_bin_of_another_length_than_16_is_refused() {
    for sample in samples() {
        for place in 0..sample.fields.len() {
            for len in [0_u8, 15, 17, 255] {
                let mut fields = sample.fields.clone();
                let of_16 = matches!(fields[place].0, Kind::Bin | Kind::BinOrNil);
                if of_16 || (fields[place].0 == Kind::Digests && len > 0) {
                    fields[place].1 = [vec![0xc4, len], vec![7; len.into()]].concat();
                    let got = violation(sample.sender, &bytes_of(&fields));
                    assert_eq!(got, Some(Violation::OutOfRange), "{len} bytes in {}", sample.name);
                }
            }
        }
    }
}

#[test]
fn a_list_has_no_more_elements_than_a_page_could_hold() {
    let leaves = |count: usize| {
        let len = u16::try_from(count).expect("test lists fit an array16").to_be_bytes();
        let head =
            [vec![0x97, 69, 1, 1, 2, 1], DIGEST.to_vec(), vec![0xdc, len[0], len[1]]].concat();
        [head, [0x93, 2, 1, 0].repeat(count)].concat()
    };
    assert_eq!(violation(Sender::Server, &leaves(LIST_ELEMENTS_MAX)), None);
    let over = violation(Sender::Server, &leaves(LIST_ELEMENTS_MAX + 1));
    assert_eq!(over, Some(Violation::OutOfRange));
    assert!(
        leaves(LIST_ELEMENTS_MAX).len() > SERVER_FRAME_BYTES_MAX,
        "the cap is never in the way"
    );
}

#[test]
fn many_tiny_elements_in_place_of_known_fields_are_refused() {
    let tiny: [&[u8]; 6] = [&[0xc0], &[0], &[0xa0], &[0x90], &[0x80], &[0xc4, 0]];
    for element in tiny {
        let count = CLIENT_FRAME_BYTES_MAX / element.len() - 3;
        let len = u16::try_from(count).expect("a page is short").to_be_bytes();
        let list = [vec![0xdc, len[0], len[1]], element.repeat(count)].concat();
        // An op of 0 is nobody's; all other elements are no op at all.
        let expected = (element != [0]).then_some(Violation::WrongShape);
        assert_both(&list, expected);
        for sample in samples() {
            for place in 0..sample.fields.len() {
                let mut fields = sample.fields.clone();
                match fields[place].0 {
                    Kind::Texts if element == [0xa0] => continue,
                    Kind::Uints if element == [0] => continue,
                    _ => fields[place].1 = list.clone(),
                }
                let got = violation(sample.sender, &bytes_of(&fields));
                assert_eq!(got, Some(Violation::WrongShape), "field {place} of {}", sample.name);
            }
        }
    }
}

#[test]
fn names_instead_of_numbers_are_refused() {
    // serde's derive would take an enum by its name, too; one message has one encoding here.
    for op in ["Heartbeat", "heartbeat", "2"] {
        assert_both(&array(&[fixstr(op), vec![1]]), Some(Violation::WrongShape));
    }
    let status = array(&[vec![3], vec![1], fixstr("away"), fixstr("")]);
    assert_eq!(violation(Sender::Client, &status), Some(Violation::WrongShape));
}

#[test]
fn an_error_does_not_repeat_the_bytes_that_caused_it() {
    // An error that quotes its cause lets a peer choose what the log says, and how long it is.
    let long = [vec![0xda, 0x0f, 0x00], vec![0x1b; 0x0f00]].concat();
    for sample in samples() {
        for place in 0..sample.fields.len() {
            let mut fields = sample.fields.clone();
            if matches!(fields[place].0, Kind::Str | Kind::StrOrNil) {
                continue;
            }
            fields[place].1 = long.clone();
            let body = bytes_of(&fields);
            let error = match sample.sender {
                Sender::Client => Incoming::decode(&body).expect_err("a str is not allowed there"),
                Sender::Server => ServerMessage::decode(&body).expect_err("nor there"),
            };
            assert!(error.to_string().len() < 200, "field {place} of {}: {error}", sample.name);
        }
    }
    let error = Incoming::decode(&long).expect_err("a str is no message");
    assert!(error.to_string().len() < 200, "{error}");
}

fn refused_request(body: &[u8]) -> bool {
    matches!(Incoming::decode(body), Ok(Incoming::BadRequest { request: 1, .. }))
}

#[test]
fn a_request_for_too_much_is_answered_and_not_a_violation() {
    let names = |len| array(&vec![fixstr("ada"); len]);
    for (op, kind) in [(4, 1), (9, 0)] {
        let request = |len| array(&[vec![op], vec![1], vec![kind], names(len)]);
        assert!(matches!(Incoming::decode(&request(NAMES_MAX)), Ok(Incoming::Message(_))));
        assert!(refused_request(&request(NAMES_MAX + 1)));
    }
    let repair = |ranges: &[Vec<u8>]| array(&[vec![10], vec![1], vec![1], array(ranges)]);
    let range = array(&[vec![3], vec![9]]);
    let most = repair(&vec![range.clone(); REPAIR_RANGES_MAX]);
    assert!(matches!(Incoming::decode(&most), Ok(Incoming::Message(_))));
    assert!(refused_request(&repair(&vec![range.clone(); REPAIR_RANGES_MAX + 1])));
    assert!(refused_request(&repair(&[range, array(&[vec![9], vec![3]])])), "9 to 3");
}

#[test]
fn one_bad_name_in_a_list_is_answered_and_not_a_violation() {
    for bad in ["", " ada", "a\u{200b}da", "a\nda"] {
        let names = array(&[fixstr("ada"), fixstr(bad), fixstr("bob")]);
        assert!(refused_request(&array(&[vec![4], vec![1], vec![1], names.clone()])), "{bad:?}");
        assert!(refused_request(&array(&[vec![9], vec![1], vec![0], names])), "{bad:?}");
        for op in [7, 8] {
            assert!(refused_request(&array(&[vec![op], vec![1], fixstr(bad)])), "{bad:?}");
        }
    }
    // What follows the bad name must still have the right type.
    let names = array(&[fixstr(""), vec![1]]);
    let watch = array(&[vec![4], vec![1], vec![1], names]);
    assert_eq!(violation(Sender::Client, &watch), Some(Violation::WrongShape));
}

#[test]
fn an_unknown_kind_is_answered_whatever_follows_it() {
    for op in [4, 9] {
        for rest in [vec![], vec![vec![0xc0]], vec![vec![1], vec![0x90]]] {
            let body = array(&[vec![vec![op], vec![1], vec![5]], rest].concat());
            assert!(refused_request(&body), "{body:02x?}");
        }
    }
}

#[test]
fn a_hello_names_no_more_views_than_are_read() {
    let views = vec![array(&[vec![1], vec![2]]); HELLO_VIEWS_MAX + 5];
    match Incoming::decode(&in_hello(array(&views))) {
        Ok(Incoming::Message(ClientMessage::Hello(hello))) => {
            assert_eq!(hello.resume.expect("it has a token").views.len(), HELLO_VIEWS_MAX);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_chooses_offline_and_nobody_is_shown_as_invisible() {
    // Every place of a status, and the ones that it may have there.
    type Place = (&'static str, Sender, fn(Vec<u8>) -> Vec<u8>, &'static [u8]);
    let places: [Place; 7] = [
        ("Chosen", Sender::Server, |status| array(&[vec![73], status]), &[0, 1, 2, 3]),
        ("me", Sender::Server, |status| in_ack_me(array(&[status])), &[0, 1, 2]),
        (
            "an entry",
            Sender::Server,
            |status| in_page(array(&[vec![1], fixstr("ada"), status, fixstr(""), vec![9]])),
            &[0, 1, 2, 4],
        ),
        (
            "an update",
            Sender::Server,
            |status| in_delta(array(&[vec![1], vec![1], status, fixstr(""), vec![9]])),
            &[0, 1, 2, 4],
        ),
        (
            "a session",
            Sender::Server,
            |status| {
                let mut fields = session_report();
                fields[3].1 = status;
                in_explanation(vec![0xc0], &[bytes_of(&fields)], &[])
            },
            &[0, 1, 2, 3],
        ),
        (
            "a transition",
            Sender::Server,
            |status| {
                let mut fields = transition();
                fields[6].1 = status;
                in_explanation(vec![0xc0], &[], &[bytes_of(&fields)])
            },
            &[0, 1, 2, 4],
        ),
        ("SetStatus", Sender::Client, |status| array(&[vec![3], vec![1], status]), &[0, 1, 2, 3]),
    ];
    for (name, sender, around, allowed) in places {
        for status in 0..7 {
            let body = around(vec![status]);
            match sender {
                Sender::Client => {
                    assert_eq!(
                        refused_request(&body),
                        !allowed.contains(&status),
                        "{name} {status}"
                    );
                }
                Sender::Server => {
                    let expected = (!allowed.contains(&status)).then_some(Violation::OutOfRange);
                    assert_eq!(violation(sender, &body), expected, "{name} {status}");
                }
            }
        }
    }
    let hello = array(&[vec![1], vec![1], fixstr("ada"), fixstr("d1"), fixstr(""), vec![0]]);
    let hello = |status| [&[0x98], &hello[1..], &[0xc2, status]].concat();
    assert!(matches!(Incoming::decode(&hello(3)), Ok(Incoming::Message(_))));
    let refused = Incoming::decode(&hello(4));
    assert!(matches!(refused, Ok(Incoming::BadHello(BadHello::Choice(_)))), "{refused:?}");
}

#[test]
fn metadata_that_break_a_rule_are_answered_from_a_client_and_a_violation_of_a_server() {
    let set_status = |map: &[u8]| {
        let head = [vec![3], vec![1], vec![0], vec![0xc0], vec![0xc2], vec![0]];
        array(&[head.to_vec(), vec![map.to_vec()]].concat())
    };
    let page = |map: &[u8]| {
        let entry = [vec![1], fixstr("ada"), vec![0], fixstr(""), vec![9], vec![0xc2], vec![0]];
        in_page(array(&[entry.to_vec(), vec![vec![0x90], map.to_vec()]].concat()))
    };
    let keys: Vec<_> = (10..=10 + METADATA_PAIRS_MAX).map(|n| n.to_string()).collect();
    let many: Vec<_> = keys.iter().map(|key| (&**key, "")).collect();
    let long = [&[0x81][..], &fixstr("k"), &[0xda, 4, 0], &[b'x'; 1_024]].concat();
    let bad = [map(&many), map(&[("", "x")]), map(&[("a", "1"), ("a", "2")]), long];
    for bad in bad {
        assert!(refused_request(&set_status(&bad)), "{bad:02x?}");
        assert_eq!(violation(Sender::Server, &page(&bad)), Some(Violation::OutOfRange));
    }
    let most = map(&many[..METADATA_PAIRS_MAX]);
    assert!(matches!(Incoming::decode(&set_status(&most)), Ok(Incoming::Message(_))));
    assert_eq!(violation(Sender::Server, &page(&most)), None);
    // The digest is over the keys in order, so a server must write them in order.
    let unsorted = map(&[("b", ""), ("a", "")]);
    assert!(matches!(Incoming::decode(&set_status(&unsorted)), Ok(Incoming::Message(_))));
    assert_eq!(violation(Sender::Server, &page(&unsorted)), Some(Violation::OutOfRange));
}

#[test]
fn nobody_has_more_devices_than_sessions() {
    let page = |devices: usize| {
        let entry = [vec![1], fixstr("ada"), vec![0], fixstr(""), vec![9], vec![0xc2], vec![0]];
        in_page(array(&[entry.to_vec(), vec![array(&vec![fixstr("x"); devices])]].concat()))
    };
    assert_eq!(violation(Sender::Server, &page(SESSIONS_MAX)), None);
    let over = violation(Sender::Server, &page(SESSIONS_MAX + 1));
    assert_eq!(over, Some(Violation::OutOfRange));
}

#[test]
fn buckets_lie_within_the_ids() {
    let buckets = |first: u32, width: u32, count: usize| {
        let len = u16::try_from(16 * count).expect("a frame is short").to_be_bytes();
        let digests = [&[0xc5][..], &len, &vec![7; 16 * count]].concat();
        let number = |number: u32| [&[0xce][..], &number.to_be_bytes()].concat();
        let body = array(&[vec![77], vec![1], number(first), number(width), digests]);
        violation(Sender::Server, &body)
    };
    for (first, width, count) in
        [(0, 1, 0), (0, u32::MAX, 2), (u32::MAX, 1, 1), (0, 1 << 22, 1_000), (1_000, 1 << 22, 24)]
    {
        assert_eq!(buckets(first, width, count), None, "{count} of {width} from {first} on");
    }
    // The last one is large enough to overflow 64 bits.
    for (first, width, count) in [
        (0, 0, 1),
        (0, u32::MAX, 3),
        (u32::MAX, 1, 2),
        (1_000, 1 << 22, 25),
        (u32::MAX, u32::MAX, 1_023),
    ] {
        let got = buckets(first, width, count);
        assert_eq!(got, Some(Violation::OutOfRange), "{count} of {width} from {first} on");
    }
}

#[test]
fn a_length_is_refused_before_anything_is_read() {
    for max in [HELLO_BYTES_MAX, CLIENT_FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX] {
        let over = u16::try_from(max + 1).expect("limits fit the prefix").to_be_bytes();
        let error = DecodeError::TooLong { got: max + 1, max };
        assert_eq!(body_len(&over, max), Err(error.clone()));
        assert_eq!(split_body(&mut &over[..], max), Err(error.clone()));
        let mut buffer = over[..].into();
        assert_eq!(take_body(&mut buffer, max), Err(error));
        assert_eq!(buffer[..], over, "the buffer is unchanged");

        let full = u16::try_from(max).expect("limits fit the prefix").to_be_bytes();
        assert_eq!(body_len(&full, max), Ok(Some(max)));
        assert_eq!(split_body(&mut &full[..], max), Ok(None), "the body has not arrived");
    }
    assert_eq!(split_body(&mut &[0, 0, 0x91, 2][..], HELLO_BYTES_MAX), Err(DecodeError::Empty));
}

#[test]
fn other_protocols_are_refused_by_their_first_two_bytes() {
    let strangers: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00], // a TLS ClientHello
        b"RFB 003.008\n",                // a remote desktop
    ];
    for stranger in strangers {
        let error = body_len(stranger, HELLO_BYTES_MAX).expect_err("no Hello starts like this");
        assert_eq!(error.violation(), Violation::FrameTooLong);
    }
}
