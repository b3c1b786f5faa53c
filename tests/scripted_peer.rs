//! The server, frame by frame: what it answers to exactly these bytes.

#[allow(dead_code, reason = "each test binary uses its own part of the support")]
mod support;

use std::time::Duration;

use herenow_protocol::limits::{CLIENT_FRAME_BYTES_MAX, HELLO_BYTES_MAX};
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, ErrorCode, Hello, Presence, RoomName,
    ServerMessage, Status, StatusText, ViewId, ViewProof, Violation, WatchTarget,
};
use support::PATIENCE;
use support::peer::{Next, ScriptedPeer, hello};
use support::server::{TestServer, UNLIMITED};

/// The next message, whatever it is.
fn next(peer: &mut ScriptedPeer) -> ServerMessage {
    match peer.next(PATIENCE) {
        Next::Message(message) => message,
        other => panic!("no message came but {other:?}"),
    }
}

/// An ack apart from its delay, which is at least what a server at rest says: a tick of 20 ms and half of one to write.
fn undelayed(message: ServerMessage) -> ServerMessage {
    match message {
        ServerMessage::HeartbeatAck { n, me, views, delay_ms } => {
            assert!(delay_ms >= 30, "{delay_ms}");
            ServerMessage::HeartbeatAck { n, me, views, delay_ms: 0 }
        }
        other => panic!("no ack but {other:?}"),
    }
}

/// A frame around any body.
fn framed(body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("test bodies are short");
    [&len.to_be_bytes(), body].concat()
}

/// Says hello, and returns a peer that beats only when told to.
fn quiet(server: &TestServer, name: &str) -> ScriptedPeer {
    let mut peer = ScriptedPeer::connect(server.address);
    peer.sign_in(hello(name));
    peer.stop_beating();
    peer
}

fn choice(presence: &Presence) -> Choice {
    Choice::chosen(presence.status, presence.text.clone())
}

fn lobby() -> WatchTarget {
    WatchTarget::Room(RoomName::lobby())
}

fn presence(status: Status, text: &str) -> Presence {
    Presence::chosen(status, StatusText::new(text).expect("a test text is valid"))
}

#[test]
fn a_whole_conversation_goes_as_the_document_says() {
    let server = TestServer::start(&[]);
    let mut ada = ScriptedPeer::connect(server.address);
    let wish = Hello { heartbeat: Some(Duration::from_millis(100)), ..hello("ada") };
    let welcome = ada.sign_in(wish);
    ada.stop_beating();
    assert_eq!((welcome.version, welcome.misses), (1, 5));
    assert_eq!((welcome.heartbeat_ms, welcome.detection_bound_ms), (100, 600));

    ada.send(&ClientMessage::Watch { request: 1, target: lobby() });
    let ServerMessage::Result { request: 1, view: Some(view) } = next(&mut ada) else { panic!() };
    let ServerMessage::SnapshotPage { first, entries, .. } = next(&mut ada) else { panic!() };
    assert_eq!((first.0, entries.len(), entries[0].name.as_str()), (0, 1, "ada"));
    let ServerMessage::SnapshotPage { last, entries, .. } = next(&mut ada) else { panic!() };
    assert_eq!((last.0, entries.len()), (u32::MAX, 0), "the pages cover all ids");
    let ServerMessage::SnapshotEnd { proof, .. } = next(&mut ada) else { panic!() };

    ada.send(&ClientMessage::Heartbeat { n: 7, round_trip_us: 0 });
    let ack = ServerMessage::HeartbeatAck {
        n: 7,
        me: Some(Presence::default()),
        views: vec![(view, proof)],
        delay_ms: 0,
    };
    assert_eq!(undelayed(next(&mut ada)), ack);

    let busy = presence(Status::Busy, "deep in it");
    ada.send(&ClientMessage::SetStatus { request: 2, choice: choice(&busy) });
    let (mut answered, mut updated) = (false, None);
    while !answered || updated.is_none() {
        match next(&mut ada) {
            ServerMessage::Result { request: 2, view: None } => answered = true,
            ServerMessage::Delta { from, proof: after, changes, .. } => {
                assert_eq!((from, after.version), (proof.version, proof.version + 1));
                updated = Some((after, changes));
            }
            other => panic!("{other:?}"),
        }
    }
    let (after, changes): (ViewProof, _) = updated.expect("the loop ended with it");
    assert!(matches!(&changes[..], [Change::Updated { shown, .. }] if shown.presence == busy));

    ada.send(&ClientMessage::Heartbeat { n: 8, round_trip_us: 0 });
    let ack = ServerMessage::HeartbeatAck {
        n: 8,
        me: Some(busy),
        views: vec![(view, after)],
        delay_ms: 0,
    };
    assert_eq!(undelayed(next(&mut ada)), ack);

    ada.send(&ClientMessage::Unwatch { request: 3, view });
    assert_eq!(next(&mut ada), ServerMessage::Result { request: 3, view: None });
    ada.send(&ClientMessage::Goodbye { reason: CloseReason::Goodbye });
    assert!(matches!(next(&mut ada), ServerMessage::Goodbye { reason: CloseReason::Goodbye, .. }));
    assert!(matches!(ada.next(PATIENCE), Next::Closed));
}

#[test]
fn requests_that_make_no_sense_are_answered_and_change_nothing() {
    let server = TestServer::start(&[]);
    let mut ada = quiet(&server, "ada");
    let cases: [(&[u8], u32, ErrorCode); 5] = [
        (b"\x94\x04\x0b\x00\xa5 room", 11, ErrorCode::BadRequest),
        (b"\x94\x04\x0c\x09\xa5lobby", 12, ErrorCode::BadRequest),
        (b"\x93\x05\x0d\x63", 13, ErrorCode::NoSuchView),
        (b"\x93\x03\x0e\x4d", 14, ErrorCode::BadRequest),
        (b"\x92\x63\x0f", 15, ErrorCode::UnknownOp),
    ];
    for (body, number, expected) in cases {
        ada.try_send(&framed(body)).expect("the server listens");
        let ServerMessage::Error { request, code, text } = next(&mut ada) else { panic!() };
        assert_eq!((request, code), (number, expected));
        assert!(text.len() > 5, "{text:?} is for people");
    }
    ada.send(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 });
    assert!(matches!(next(&mut ada), ServerMessage::HeartbeatAck { n: 1, .. }));
}

#[test]
fn requests_sent_in_one_go_are_answered_in_their_order() {
    let server = TestServer::start(&UNLIMITED);
    let mut ada = quiet(&server, "ada");
    let mut bytes = bytes::BytesMut::new();
    for request in 0..200 {
        let text = format!("change {request}");
        let choice = choice(&presence(Status::Away, &text));
        ClientMessage::SetStatus { request, choice }.encode_into(&mut bytes);
    }
    ada.try_send(&bytes).expect("the server listens");
    for request in 0..200 {
        assert_eq!(next(&mut ada), ServerMessage::Result { request, view: None });
    }
}

#[test]
fn an_observer_is_not_listed_and_speaks_for_its_device() {
    let server = TestServer::start(&[]);
    let mut ada = quiet(&server, "ada");
    let mut line = ScriptedPeer::connect(server.address);
    line.sign_in(Hello { observe: true, ..hello("ada") });
    line.stop_beating();
    let away = presence(Status::Away, "back at three");
    line.send(&ClientMessage::SetStatus { request: 1, choice: choice(&away) });
    assert_eq!(next(&mut line), ServerMessage::Result { request: 1, view: None });
    // The mirror travels beside the answer; it is there by some heartbeat soon.
    let mut n = 0;
    let mirrored = |ada: &mut ScriptedPeer| {
        n += 1;
        ada.send(&ClientMessage::Heartbeat { n, round_trip_us: 0 });
        let me = loop {
            match next(ada) {
                ServerMessage::HeartbeatAck { me, .. } => break me,
                ServerMessage::Chosen(chosen) => assert_eq!(chosen, choice(&away)),
                other => panic!("{other:?}"),
            }
        };
        (me.as_ref() == Some(&away)).then_some(())
    };
    let mut mirrored = mirrored;
    support::wait_for("the mirror", PATIENCE, || mirrored(&mut ada));
    let mut stranger = ScriptedPeer::connect(server.address);
    stranger.sign_in(Hello { observe: true, ..hello("nobody") });
    stranger.stop_beating();
    stranger.send(&ClientMessage::SetStatus { request: 1, choice: choice(&away) });
    let answer = next(&mut stranger);
    assert!(
        matches!(answer, ServerMessage::Error { code: ErrorCode::NotListed, .. }),
        "{answer:?}"
    );
    stranger.send(&ClientMessage::Watch { request: 2, target: lobby() });
    assert!(matches!(next(&mut stranger), ServerMessage::Result { view: Some(ViewId(1)), .. }));
    let ServerMessage::SnapshotPage { entries, .. } = next(&mut stranger) else { panic!() };
    assert_eq!(entries.len(), 1, "observers are not listed");
}

/// Bytes that are no conversation, and the violation that the server names.
fn hostile(limit: usize) -> Vec<(&'static str, Vec<u8>, Violation)> {
    let over = u16::try_from(limit + 1).expect("limits fit a prefix").to_be_bytes();
    let over_max = [0xff, 0xff];
    let nested = [vec![0x91; 200], vec![0xc0]].concat();
    use Violation as V;
    vec![
        ("a frame of nothing", vec![0, 0], V::EmptyFrame),
        ("one byte over the limit", over.to_vec(), V::FrameTooLong),
        ("the longest length", over_max.to_vec(), V::FrameTooLong),
        ("a web browser", b"GET / HTTP/1.1\r\n\r\n".to_vec(), V::FrameTooLong),
        (
            "a TLS ClientHello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            V::FrameTooLong,
        ),
        ("a PROXY header", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n".to_vec(), V::FrameTooLong),
        ("the unused byte 0xc1", framed(b"\xc1"), V::NotMessagePack),
        ("a value cut short", framed(b"\x94\x01\x01\xa3ad"), V::NotMessagePack),
        ("4 billion elements", framed(b"\xdd\xff\xff\xff\xff\x02"), V::NotMessagePack),
        ("a text of 4 GB", framed(b"\x94\x01\x01\xdb\xff\xff\xff\xffa"), V::NotMessagePack),
        ("200 nested arrays", framed(&nested), V::NotMessagePack),
        ("a second value", framed(b"\x92\x02\x01\x92\x02\x02"), V::TrailingBytes),
        ("a map", framed(b"\x81\x01\x02"), V::WrongShape),
        ("a number", framed(b"\x05"), V::WrongShape),
        ("an op that is text", framed(b"\x92\xa1x\x01"), V::WrongShape),
        ("no fields", framed(b"\x91\x02"), V::WrongShape),
        ("a negative number", framed(b"\x92\x02\xff"), V::OutOfRange),
        (
            "a number over 2^53",
            framed(b"\x92\x02\xcf\x00\x20\x00\x00\x00\x00\x00\x00"),
            V::OutOfRange,
        ),
    ]
}

#[test]
fn hostile_bytes_close_their_connection_with_the_violation_they_are() {
    let server = TestServer::start(&[]);
    let mut healthy = ScriptedPeer::watching(server.address, "healthy");
    let before = hostile(HELLO_BYTES_MAX).into_iter().map(|case| (case, false));
    let after = hostile(CLIENT_FRAME_BYTES_MAX).into_iter().map(|case| (case, true));
    for (number, ((what, bytes, violation), signed_in)) in before.chain(after).enumerate() {
        let name = format!("hostile {number}");
        let mut peer = ScriptedPeer::connect(server.address);
        if signed_in {
            peer.sign_in(hello(&name));
            peer.stop_beating();
            // Whoever comes and goes within one tick is not announced.
            healthy.expect_join(&name, PATIENCE);
        }
        // The server may have closed before the last byte was taken.
        let _ = peer.try_send(&bytes);
        let goodbye = peer.expect_goodbye(PATIENCE);
        let expected = CloseReason::ProtocolError(violation);
        assert_eq!(goodbye.reason, expected, "{what}, signed in: {signed_in}");
        if signed_in {
            let leave = healthy.expect_leave(&name, PATIENCE);
            assert_eq!(leave.cause, expected, "{what}");
        }
    }
    healthy.round_trip();
    assert_eq!(healthy.list.names(), ["healthy"]);
}

#[test]
fn a_message_in_the_wrong_state_is_a_violation() {
    let server = TestServer::start(&[]);
    let unexpected = CloseReason::ProtocolError(Violation::UnexpectedMessage);
    let mut early = ScriptedPeer::connect(server.address);
    early.send(&ClientMessage::Heartbeat { n: 1, round_trip_us: 0 });
    assert_eq!(early.expect_goodbye(PATIENCE).reason, unexpected);
    let mut twice = quiet(&server, "ada");
    twice.send(&ClientMessage::Hello(hello("ada")));
    assert_eq!(twice.expect_goodbye(PATIENCE).reason, unexpected);
}

#[test]
fn a_sign_in_that_breaks_a_rule_is_refused_in_words() {
    let server = TestServer::start(&[]);
    let cases: [(&[u8], CloseReason, &str); 5] = [
        (b"\x94\x01\x02\xa3ada\xa2d1", CloseReason::UnsupportedVersion, "version"),
        (b"\x94\x01\x01\xa0\xa2d1", CloseReason::BadHello, "empty"),
        (b"\x94\x01\x01\xa6ada\xe2\x80\xae\xa2d1", CloseReason::BadHello, "U+202E"),
        (b"\x94\x01\x01\xa3ada\xa2d/", CloseReason::BadHello, "device id"),
        (b"\x98\x01\x01\xa3ada\xa2d1\xa0\x00\xc2\x09", CloseReason::BadHello, "status"),
    ];
    for (body, reason, word) in cases {
        let mut peer = ScriptedPeer::connect(server.address);
        peer.try_send(&framed(body)).expect("the server listens");
        let ServerMessage::Goodbye { reason: said, reconnect, text, .. } = next(&mut peer) else {
            panic!("a refused sign-in gets a goodbye")
        };
        assert_eq!((said, reconnect), (reason, false));
        assert!(text.contains(word), "{text:?} names {word}");
    }
}
