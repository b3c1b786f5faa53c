//! The vectors of `protocol/vectors/v1`, read and written by this crate. Python wrote them.

use std::collections::HashSet;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::{CLIENT_FRAME_BYTES_MAX, HELLO_BYTES_MAX, SERVER_FRAME_BYTES_MAX};
use herenow_protocol::message::{BadHello, Incoming};
use herenow_protocol::{
    Change, ClientMessage, CloseReason, DecodeError, Digest, DisplayName, Entry, Epoch, Presence,
    ServerMessage, Status, StatusText, UserId, ViewId, ViewProof, Violation,
};
use serde_json::{Value, json};

fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/vectors/v1/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the file is part of the repository");
    serde_json::from_str(&text).expect("generate.py writes JSON")
}

fn str_of<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("no {key} in {vector}"))
}

fn bytes_of(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("generate.py writes hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn limit_of(vector: &Value) -> usize {
    let limit = match str_of(vector, "state") {
        "before_sign_in" => HELLO_BYTES_MAX,
        "signed_in" => CLIENT_FRAME_BYTES_MAX,
        "server" => SERVER_FRAME_BYTES_MAX,
        other => panic!("no state {other}"),
    };
    assert_eq!(vector["limit"], limit, "{}", vector["name"]);
    limit
}

/// What a frame says, as its meaning states it, and what its message is encoded to.
fn read(vector: &Value) -> Result<(Value, Option<Vec<u8>>), DecodeError> {
    let frame = bytes_of(str_of(vector, "hex"));
    let mut rest = &frame[..];
    let body = split_body(&mut rest, limit_of(vector))?;
    let body = body.unwrap_or_else(|| panic!("not a whole frame: {}", vector["name"]));
    assert!(rest.is_empty(), "a vector is one frame: {}", vector["name"]);
    Ok(match str_of(vector, "direction") {
        "client" => {
            let incoming = Incoming::decode(body)?;
            let encoded = match &incoming {
                Incoming::Message(message) => Some(message.encode().to_vec()),
                _ => None,
            };
            (meaning_of_incoming(incoming), encoded)
        }
        "server" => match ServerMessage::decode(body)? {
            Some(message) => (meaning_of_server(&message), Some(message.encode().to_vec())),
            None => (json!({"ignored": true, "op": vector["meaning"]["op"]}), None),
        },
        other => panic!("no direction {other}"),
    })
}

fn meaning_of_incoming(incoming: Incoming) -> Value {
    match incoming {
        Incoming::Message(message) => meaning_of_client(&message),
        Incoming::BadHello(BadHello::Version(version)) => {
            json!({"message": "Hello", "refused": "unsupported_version", "version": version})
        }
        Incoming::BadHello(error) => {
            let rule = match error {
                BadHello::Name(_) => "name",
                BadHello::Device(_) => "device",
                BadHello::Label(_) => "label",
                BadHello::Presence(_) => "presence",
                BadHello::Version(_) => unreachable!("the arm above has it"),
            };
            json!({"message": "Hello", "refused": "bad_hello", "rule": rule})
        }
        Incoming::BadRequest { request, error } => {
            assert!(!error.is_empty(), "a person is told the rule");
            json!({"refused": "bad_request", "request": request})
        }
        Incoming::UnknownOp { op, request } => {
            json!({"refused": "unknown_op", "op": op, "request": request})
        }
    }
}

fn meaning_of_client(message: &ClientMessage) -> Value {
    match message {
        ClientMessage::Hello(hello) => json!({
            "message": "Hello",
            "version": 1,
            "name": hello.name.as_str(),
            "device": hello.device.as_str(),
            "label": hello.label,
            "heartbeat_ms": hello.heartbeat.map_or(0, |interval| interval.as_millis() as u64),
            "observe": hello.observe,
            "status": hello.presence.status.to_wire(),
            "text": hello.presence.text.as_str(),
        }),
        ClientMessage::Heartbeat { n } => json!({"message": "Heartbeat", "n": n}),
        ClientMessage::SetStatus { request, presence } => json!({
            "message": "SetStatus",
            "request": request,
            "status": presence.status.to_wire(),
            "text": presence.text.as_str(),
        }),
        ClientMessage::Watch { request, room } => {
            json!({"message": "Watch", "request": request, "kind": 0, "name": room})
        }
        ClientMessage::Unwatch { request, view } => {
            json!({"message": "Unwatch", "request": request, "view": view.0})
        }
        ClientMessage::Goodbye { reason } => json!({"message": "Goodbye", "reason": reason.name()}),
    }
}

fn meaning_of_server(message: &ServerMessage) -> Value {
    match message {
        ServerMessage::Welcome(welcome) => json!({
            "message": "Welcome",
            "version": welcome.version,
            "session": welcome.session.0,
            "heartbeat_ms": welcome.heartbeat_ms,
            "misses": welcome.misses,
            "detection_bound_ms": welcome.detection_bound_ms,
            "epoch": welcome.epoch.to_string(),
            "frame_bytes_max": welcome.frame_bytes_max,
            "server": welcome.server,
        }),
        ServerMessage::HeartbeatAck { n, me, views } => {
            let me = me
                .as_ref()
                .map(|me| json!({"status": me.status.to_wire(), "text": me.text.as_str()}));
            let views: Vec<_> =
                views.iter().map(|(view, proof)| meaning_of_proof(*view, proof)).collect();
            json!({"message": "HeartbeatAck", "n": n, "me": me, "views": views})
        }
        ServerMessage::SnapshotPage { view, first, last, entries } => json!({
            "message": "SnapshotPage",
            "view": view.0,
            "first": first.0,
            "last": last.0,
            "entries": entries.iter().map(meaning_of_entry).collect::<Vec<_>>(),
        }),
        ServerMessage::SnapshotEnd { view, proof } => {
            with(meaning_of_proof(*view, proof), "message", json!("SnapshotEnd"))
        }
        ServerMessage::Delta { view, from, proof, changes } => json!({
            "message": "Delta",
            "view": view.0,
            "from": from,
            "to": proof.version,
            "count": proof.count,
            "digest": proof.digest.to_string(),
            "changes": changes.iter().map(meaning_of_change).collect::<Vec<_>>(),
        }),
        ServerMessage::Result { request, view } => {
            json!({"message": "Result", "request": request, "value": view.map(|view| view.0)})
        }
        ServerMessage::Error { request, code, text } => {
            json!({"message": "Error", "request": request, "code": code.name(), "text": text})
        }
        ServerMessage::Goodbye { reason, reconnect, come_back_after_ms, text } => json!({
            "message": "Goodbye",
            "reason": reason.name(),
            "violation": reason.violation().map(Violation::name),
            "reconnect": reconnect,
            "come_back_after_ms": come_back_after_ms,
            "text": text,
        }),
    }
}

fn meaning_of_proof(view: ViewId, proof: &ViewProof) -> Value {
    let (version, count) = (proof.version, proof.count);
    json!({"view": view.0, "version": version, "count": count, "digest": proof.digest.to_string()})
}

fn meaning_of_entry(entry: &Entry) -> Value {
    json!({
        "id": entry.id.0,
        "name": entry.name.as_str(),
        "status": entry.presence.status.to_wire(),
        "text": entry.presence.text.as_str(),
        "since": entry.since_ms,
    })
}

fn meaning_of_change(change: &Change) -> Value {
    match change {
        Change::Joined(entry) => with(meaning_of_entry(entry), "change", json!("joined")),
        Change::Updated { id, presence, since_ms } => json!({
            "change": "updated",
            "id": id.0,
            "status": presence.status.to_wire(),
            "text": presence.text.as_str(),
            "since": since_ms,
        }),
        Change::Left { id, cause } => json!({
            "change": "left",
            "id": id.0,
            "cause": cause.name(),
            "violation": cause.violation().map(Violation::name),
        }),
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

fn check_valid(file: &str, fewest: usize) {
    let vectors = vectors(file);
    assert!(vectors.len() >= fewest, "{file} lost vectors");
    for vector in &vectors {
        assert_eq!(vector["valid"], true, "{}", vector["name"]);
        let (meaning, encoded) = read(vector).unwrap_or_else(|e| panic!("{}: {e}", vector["name"]));
        // A request that is refused has no message to name; the vector names it for people.
        let mut expected = vector["meaning"].clone();
        if meaning.get("message").is_none() {
            expected.as_object_mut().expect("a meaning is an object").remove("message");
        }
        assert_eq!(meaning, expected, "{}", vector["name"]);
        let canonical = vector["canonical"].as_bool().expect("valid vectors say it");
        if let Some(encoded) = encoded {
            let exactly = encoded == bytes_of(str_of(vector, "hex"));
            assert_eq!(exactly, canonical, "{}: is it canonical?", vector["name"]);
        } else {
            assert!(!canonical, "{} has no message to encode", vector["name"]);
        }
    }
}

#[test]
fn client_messages_mean_what_their_vectors_say_and_are_written_like_them() {
    check_valid("client-messages.json", 106);
}

#[test]
fn server_messages_mean_what_their_vectors_say_and_are_written_like_them() {
    check_valid("server-messages.json", 95);
}

#[test]
fn invalid_frames_are_the_violations_that_their_vectors_say() {
    let vectors = vectors("invalid.json");
    assert!(vectors.len() >= 160, "invalid.json lost vectors");
    for vector in &vectors {
        assert_eq!(vector["valid"], false, "{}", vector["name"]);
        let expected = str_of(vector, "violation");
        if expected == Violation::UnexpectedMessage.name() {
            // Only the state forbids it, which a server's session knows; the frame itself is sound.
            assert!(read(vector).is_ok(), "{}", vector["name"]);
            continue;
        }
        // These vectors may end where the reader stops, so the frame need not be split off.
        let frame = bytes_of(str_of(vector, "hex"));
        let error = match split_body(&mut &frame[..], limit_of(vector)) {
            Err(error) => error,
            Ok(_) => read(vector).map(drop).expect_err(str_of(vector, "name")),
        };
        assert_eq!(error.violation().name(), expected, "{}: {error}", vector["name"]);
        assert_eq!(error.close_reason(), CloseReason::ProtocolError(error.violation()));
    }
}

#[test]
fn every_message_and_every_violation_has_a_vector() {
    let mut names = HashSet::new();
    for file in ["client-messages.json", "server-messages.json", "invalid.json"] {
        for vector in vectors(file) {
            let direction = str_of(&vector, "direction").to_owned();
            let message = vector["meaning"]["message"].as_str().map(str::to_owned);
            names.extend(message.map(|message| (direction.clone(), message)));
            names.extend(vector["violation"].as_str().map(|v| (String::new(), v.to_owned())));
        }
    }
    for message in ["Hello", "Heartbeat", "SetStatus", "Watch", "Unwatch", "Goodbye"] {
        assert!(names.contains(&("client".to_owned(), message.to_owned())), "{message}");
    }
    for message in [
        "Welcome",
        "HeartbeatAck",
        "SnapshotPage",
        "SnapshotEnd",
        "Delta",
        "Result",
        "Error",
        "Goodbye",
    ] {
        assert!(names.contains(&("server".to_owned(), message.to_owned())), "{message}");
    }
    for number in 1..=7 {
        let name = Violation::from_wire(number).name();
        assert!(names.contains(&(String::new(), name.to_owned())), "{name}");
    }
}

#[test]
fn digests_are_what_their_vectors_say() {
    let vectors = vectors("digest.json");
    assert!(vectors.len() >= 16, "digest.json lost vectors");
    for vector in &vectors {
        let epoch = bytes_of(str_of(vector, "epoch")).try_into().expect("an epoch has 16 bytes");
        let hasher = EntryHasher::new(Epoch(epoch));
        let entries = vector["entries"].as_array().expect("entries are a list");
        let hashes = vector["hashes"].as_array().expect("hashes are a list");
        let mut digest = Digest::default();
        for (entry, hash) in entries.iter().zip(hashes) {
            let entry = hasher.hash(&entry_of(entry));
            assert_eq!(entry.to_string(), *hash, "{}", vector["name"]);
            digest.add(entry);
        }
        assert_eq!(vector["count"], entries.len(), "{}", vector["name"]);
        assert_eq!(digest.to_string(), str_of(vector, "digest"), "{}", vector["name"]);
        assert_eq!(digest.to_bytes().to_vec(), bytes_of(str_of(vector, "digest")));
        for entry in entries {
            digest.remove(hasher.hash(&entry_of(entry)));
        }
        assert_eq!(digest, Digest::default(), "{}: all left again", vector["name"]);
    }
}

fn entry_of(fields: &Value) -> Entry {
    let number = |at: usize| fields[at].as_u64().expect("a number");
    let text = |at: usize| fields[at].as_str().expect("a text");
    Entry {
        id: UserId(u32::try_from(number(0)).expect("an id has 32 bits")),
        name: DisplayName::new(text(1)).expect("the name is valid"),
        presence: Presence {
            status: Status::from_wire(number(2)).expect("the status is known"),
            text: StatusText::new(text(3)).expect("the text is valid"),
        },
        since_ms: number(4),
    }
}
