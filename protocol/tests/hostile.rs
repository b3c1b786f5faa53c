//! Bytes from a peer that means harm, or whose MessagePack library is broken.
//!
//! Every test is one way in which a lenient reader lets something through: it believes an announced
//! length, descends as deep as it is told, or takes one type for another.

use herenow_protocol::frame::{body_len, split_body, take_body};
use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FRAME_BYTES_MAX, HELLO_BYTES_MAX, LIST_ELEMENTS_MAX, NESTING_MAX,
    SERVER_FRAME_BYTES_MAX,
};
use herenow_protocol::message::Incoming;
use herenow_protocol::{DecodeError, ServerMessage, Violation};

/// What a field of a known message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uint,
    UintOrNil,
    Str,
    Bool,
    Bin,
    Array,
    ArrayOrNil,
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

fn text(text: &str) -> (Kind, Vec<u8>) {
    (Kind::Str, fixstr(text))
}

fn fixstr(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len()).expect("test texts are short");
    assert!(len < 32, "test texts are short");
    [&[0xa0 | len], text.as_bytes()].concat()
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let len = u8::try_from(elements.len()).expect("test arrays are short");
    assert!(len < 16, "test arrays are short");
    [vec![0x90 | len], elements.concat()].concat()
}

fn entry(id: u8) -> Vec<u8> {
    array(&[vec![id], fixstr("ada"), vec![0], fixstr("tea"), vec![9]])
}

fn samples() -> Vec<Sample> {
    use Sender::{Client, Server};
    let digest = || (Kind::Bin, DIGEST.to_vec());
    let sample = |name, sender, op, required: usize, fields: Vec<_>| {
        let fields = [vec![uint(op)], fields].concat();
        Sample { name, sender, fields, required: required + 1 }
    };
    let boolean = || (Kind::Bool, vec![0xc3]);
    let proof = array(&[vec![1], vec![18], vec![1], DIGEST.to_vec()]);
    let joined = array(&[vec![0], vec![1], fixstr("ada"), vec![0], fixstr("tea"), vec![9]]);
    let hello = vec![
        uint(1),
        text("ada"),
        text("d1"),
        text("phone"),
        uint(100),
        boolean(),
        uint(1),
        text("tea"),
    ];
    let welcome =
        vec![uint(1), uint(7), uint(100), uint(5), uint(127), digest(), uint(64), text("herenow")];
    let ack = vec![
        uint(1),
        (Kind::ArrayOrNil, array(&[vec![1], fixstr("tea")])),
        (Kind::Array, array(&[proof])),
    ];
    let page = vec![uint(1), uint(0), uint(9), (Kind::Array, array(&[entry(3), entry(4)]))];
    let delta =
        vec![uint(1), uint(17), uint(18), uint(1), digest(), (Kind::Array, array(&[joined]))];
    vec![
        sample("Hello", Client, 1, 3, hello),
        sample("Heartbeat", Client, 2, 1, vec![uint(1)]),
        sample("SetStatus", Client, 3, 2, vec![uint(1), uint(2), text("tea")]),
        sample("Watch", Client, 4, 3, vec![uint(1), uint(0), text("lobby")]),
        sample("Unwatch", Client, 5, 2, vec![uint(1), uint(1)]),
        sample("Goodbye", Client, 6, 0, vec![uint(0)]),
        sample("Welcome", Server, 65, 7, welcome),
        sample("HeartbeatAck", Server, 66, 3, ack),
        sample("SnapshotPage", Server, 67, 4, page),
        sample("SnapshotEnd", Server, 68, 4, vec![uint(1), uint(18), uint(1), digest()]),
        sample("Delta", Server, 69, 6, delta),
        sample("Result", Server, 70, 1, vec![uint(1), (Kind::UintOrNil, vec![3])]),
        sample("Error", Server, 71, 2, vec![uint(1), uint(1), text("no")]),
        sample("Goodbye", Server, 72, 1, vec![uint(5), uint(3), boolean(), uint(9), text("bye")]),
    ]
}

/// Every array inside of a server's message, as (what it is, message around it, its fields, required).
type Inner = (&'static str, fn(Vec<u8>) -> Vec<u8>, Vec<(Kind, Vec<u8>)>, usize);

fn inner_arrays() -> Vec<Inner> {
    fn in_ack_me(me: Vec<u8>) -> Vec<u8> {
        array(&[vec![66], vec![1], me, vec![0x90]])
    }
    fn in_ack_views(view: Vec<u8>) -> Vec<u8> {
        array(&[vec![66], vec![1], vec![0xc0], array(&[view])])
    }
    fn in_page(entry: Vec<u8>) -> Vec<u8> {
        array(&[vec![67], vec![1], vec![0], vec![9], array(&[entry])])
    }
    fn in_delta(change: Vec<u8>) -> Vec<u8> {
        array(&[vec![69], vec![1], vec![1], vec![2], vec![1], DIGEST.to_vec(), array(&[change])])
    }
    let digest = (Kind::Bin, DIGEST.to_vec());
    let entry = vec![uint(1), text("ada"), uint(0), text("tea"), uint(9)];
    let joined = [vec![uint(0)], entry.clone()].concat();
    let updated = vec![uint(1), uint(1), uint(0), text("tea"), uint(9)];
    vec![
        ("me", in_ack_me, vec![uint(1), text("tea")], 1),
        ("a proof", in_ack_views, vec![uint(1), uint(18), uint(1), digest], 4),
        ("an entry", in_page, entry, 5),
        ("a join", in_delta, joined, 6),
        ("an update", in_delta, updated, 5),
        ("a leave", in_delta, vec![uint(2), uint(1), uint(5), uint(3)], 3),
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
        ("nil", vec![0xc0], &[K::UintOrNil, K::ArrayOrNil]),
        ("true", vec![0xc3], &[K::Bool]),
        ("a number", vec![1], &[K::Uint, K::UintOrNil]),
        ("a float32", vec![0xca, 0x3f, 0x80, 0, 0], &[]),
        ("a float64", vec![0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], &[]),
        ("a str", fixstr("1234567890123456"), &[K::Str]),
        ("a bin of text", vec![0xc4, 3, b'a', b'd', b'a'], &[K::Bin]),
        ("an empty bin", vec![0xc4, 0], &[K::Bin]),
        ("a bin of small numbers", vec![0xc4, 2, 1, 1], &[K::Bin]),
        ("an empty map", vec![0x80], &[]),
        ("a map", vec![0x81, 0xa1, b'n', 1], &[]),
        ("an enum of serde", vec![0x81, 0, 0x91, 1], &[]),
        ("a fixext", vec![0xd4, 1, 0], &[]),
        ("a timestamp", vec![0xd6, 0xff, 0, 0, 0, 1], &[]),
        ("an ext8", vec![0xc7, 2, 1, 0, 0], &[]),
        ("an empty array", vec![0x90], &[K::Array]),
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
    for (name, around, fields, required) in inner_arrays() {
        for len in 0..=fields.len() {
            let got = violation(Sender::Server, &around(bytes_of(&fields[..len])));
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
    for (array_name, around, fields, _) in inner_arrays() {
        for (place, (kind, _)) in fields.iter().enumerate() {
            for (name, value, allowed) in one_of_each_type() {
                if allowed.contains(kind) {
                    continue;
                }
                let mut fields = fields.clone();
                fields[place].1 = value;
                let got = violation(Sender::Server, &around(bytes_of(&fields)));
                assert_eq!(
                    got,
                    Some(Violation::WrongShape),
                    "{name} as field {place} of {array_name}"
                );
            }
        }
        for (name, value, _) in one_of_each_type() {
            if name == "nil" && array_name == "me" {
                continue;
            }
            let got = violation(Sender::Server, &around(value));
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
        assert_eq!(violation(Sender::Client, &array(&[vec![2], vec![1], nest(levels)])), None);
        let deeper = array(&[vec![2], vec![1], nest(levels + 1)]);
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
        for (name, around, fields, _) in inner_arrays() {
            for place in 0..fields.len() {
                let mut fields = fields.clone();
                if is_number(fields[place].0) {
                    fields[place].1 = value.clone();
                    let got = violation(Sender::Server, &around(bytes_of(&fields)));
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
    // Message and place: request, view, count, ids and misses.
    let narrow = [
        ("SetStatus", &[1][..]),
        ("Watch", &[1]),
        ("Unwatch", &[1, 2]),
        ("Welcome", &[4]),
        ("SnapshotPage", &[1, 2, 3]),
        ("SnapshotEnd", &[1, 3]),
        ("Delta", &[1, 4]),
        ("Result", &[1, 2]),
        ("Error", &[1]),
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
}

#[test]
fn a_bin_of_another_length_than_16_is_refused() {
    for sample in samples() {
        for place in 0..sample.fields.len() {
            for len in [0_u8, 15, 17, 255] {
                let mut fields = sample.fields.clone();
                if fields[place].0 == Kind::Bin {
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
                fields[place].1 = list.clone();
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
            if fields[place].0 == Kind::Str {
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
        &[0x03, 0x00, 0x00, 0x13],       // a remote desktop
    ];
    for stranger in strangers {
        let error = body_len(stranger, HELLO_BYTES_MAX).expect_err("no Hello starts like this");
        assert_eq!(error.violation(), Violation::FrameTooLong);
    }
}
