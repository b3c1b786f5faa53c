//! The vectors of `protocol/vectors/v1`, read and written by this crate. Python wrote them.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use herenow_protocol::digest::EntryHasher;
use herenow_protocol::frame::split_body;
use herenow_protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, HELLO_BYTES_MAX, HELLO_WITH_CREDENTIAL_BYTES_MAX,
    SERVER_FRAME_BYTES_MAX,
};
use herenow_protocol::message::{BadHello, Incoming};
use herenow_protocol::{
    Change, Choice, ClientMessage, CloseReason, DecodeError, DeviceLabel, Digest, DisplayName,
    Entry, Epoch, Explanation, Health, Hello, Metadata, Presence, Query, ServerMessage,
    SessionReport, Shown, Status, StatusText, Transition, UserId, UserKey, ViewId, ViewProof,
    Violation, WatchTarget, Welcome, pairing,
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

fn bin_of(bytes: [u8; 16]) -> String {
    Digest::from_bytes(bytes).to_string()
}

fn millis(span: Option<Duration>) -> u64 {
    span.map_or(0, |span| u64::try_from(span.as_millis()).expect("it came from 53 bits"))
}

fn limit_of(vector: &Value) -> usize {
    let limit = match str_of(vector, "state") {
        "before_sign_in" => HELLO_BYTES_MAX,
        "before_sign_in_with_credential" => HELLO_WITH_CREDENTIAL_BYTES_MAX,
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
                BadHello::Choice(_) => "choice",
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
        ClientMessage::Hello(hello) => meaning_of_hello(hello),
        ClientMessage::Heartbeat { n, round_trip_us } => {
            json!({"message": "Heartbeat", "n": n, "round_trip_us": round_trip_us})
        }
        ClientMessage::SetStatus { request, choice } => {
            let metadata = choice.metadata.as_ref().map(meaning_of_metadata);
            let meaning = with(meaning_of_choice("SetStatus", choice), "request", json!(request));
            with(meaning, "metadata", json!(metadata))
        }
        ClientMessage::Watch { request, target } => match target {
            WatchTarget::Room(room) => {
                let room = room.as_str();
                json!({"message": "Watch", "request": request, "kind": 0, "room": room})
            }
            WatchTarget::People { names, view } => json!({
                "message": "Watch",
                "request": request,
                "kind": 1,
                "names": texts(names),
                "view": view.map_or(0, |view| view.0),
            }),
        },
        ClientMessage::Unwatch { request, view } => {
            json!({"message": "Unwatch", "request": request, "view": view.0})
        }
        ClientMessage::Goodbye { reason } => json!({"message": "Goodbye", "reason": reason.name()}),
        ClientMessage::Join { request, room } => {
            json!({"message": "Join", "request": request, "room": room.as_str()})
        }
        ClientMessage::Leave { request, room } => {
            json!({"message": "Leave", "request": request, "room": room.as_str()})
        }
        ClientMessage::Renew { request, credential } => {
            json!({"message": "Renew", "request": request, "credential": credential.expose()})
        }
        ClientMessage::Query { request, query } => {
            let meaning = with(meaning_of_query(query), "request", json!(request));
            with(meaning, "message", json!("Query"))
        }
        ClientMessage::Repair { request, view, ranges } => {
            let ranges: Vec<_> = ranges.iter().map(|(first, last)| [first.0, last.0]).collect();
            json!({"message": "Repair", "request": request, "view": view.0, "ranges": ranges})
        }
    }
}

fn meaning_of_hello(hello: &Hello) -> Value {
    let resume = hello.resume.as_ref();
    let views = resume.map_or(&[][..], |resume| &resume.views);
    let credential = hello.credential.as_ref().map(|credential| json!(credential.expose()));
    let meaning = json!({
        "message": "Hello",
        "version": 1,
        "name": hello.name.as_str(),
        "device": hello.device.as_str(),
        "label": hello.label.as_str(),
        "heartbeat_ms": millis(hello.heartbeat),
        "observe": hello.observe,
        "status": hello.choice.status.to_wire(),
        "text": hello.choice.text.as_ref().map_or("", StatusText::as_str),
        "automatic": hello.choice.automatic,
        "text_for_ms": millis(hello.choice.text_for),
        "key": hello.key.map(|key| bin_of(key.0)),
        "resume": resume.map(|resume| bin_of(resume.token.0)),
        "epoch": resume.and_then(|resume| resume.epoch).map(|epoch| epoch.to_string()),
        "views": views.iter().map(|(view, version)| json!([view.0, version])).collect::<Vec<_>>(),
    });
    match credential {
        Some(credential) => with(meaning, "credential", credential),
        None => meaning,
    }
}

fn meaning_of_choice(message: &str, choice: &Choice) -> Value {
    json!({
        "message": message,
        "status": choice.status.to_wire(),
        "text": choice.text.as_ref().map(StatusText::as_str),
        "automatic": choice.automatic,
        "text_for_ms": millis(choice.text_for),
    })
}

fn meaning_of_query(query: &Query) -> Value {
    let bin = |operator: &Option<herenow_protocol::OperatorKey>| operator.map(|key| bin_of(key.0));
    match query {
        Query::People(names) => json!({"kind": 0, "names": texts(names)}),
        Query::Count(room) => json!({"kind": 1, "room": room.as_str()}),
        Query::Page { room, from } => json!({"kind": 2, "room": room.as_str(), "from": from.0}),
        Query::Explain { name, operator } => {
            json!({"kind": 3, "name": name.as_str(), "operator": bin(operator)})
        }
        Query::Health { operator } => json!({"kind": 4, "operator": bin(operator)}),
    }
}

fn texts(names: &[DisplayName]) -> Vec<&str> {
    names.iter().map(DisplayName::as_str).collect()
}

fn meaning_of_metadata(metadata: &Metadata) -> Value {
    json!(metadata.pairs().collect::<BTreeMap<_, _>>())
}

fn meaning_of_server(message: &ServerMessage) -> Value {
    match message {
        ServerMessage::Welcome(welcome) => meaning_of_welcome(welcome),
        ServerMessage::HeartbeatAck { n, me, views, delay_ms } => {
            let me = me.as_ref().map(meaning_of_presence);
            let views: Vec<_> =
                views.iter().map(|(view, proof)| meaning_of_proof(*view, proof)).collect();
            json!({"message": "HeartbeatAck", "n": n, "me": me, "views": views, "delay_ms": delay_ms})
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
        ServerMessage::Chosen(choice) => meaning_of_choice("Chosen", choice),
        ServerMessage::People { request, count, entries, next } => json!({
            "message": "People",
            "request": request,
            "count": count,
            "entries": entries.iter().map(meaning_of_entry).collect::<Vec<_>>(),
            "next": next.map(|id| id.0),
        }),
        ServerMessage::Explanation { request, explanation } => {
            with(meaning_of_explanation(explanation), "request", json!(request))
        }
        ServerMessage::Health { request, health } => {
            with(meaning_of_health(health), "request", json!(request))
        }
        ServerMessage::Buckets { view, first, width, digests, more } => json!({
            "message": "Buckets",
            "view": view.0,
            "first": first,
            "width": width,
            "digests": digests.iter().map(Digest::to_string).collect::<Vec<_>>(),
            "more": more,
        }),
    }
}

fn meaning_of_welcome(welcome: &Welcome) -> Value {
    let meaning = json!({
        "message": "Welcome",
        "version": welcome.version,
        "session": welcome.session.0,
        "heartbeat_ms": welcome.heartbeat_ms,
        "misses": welcome.misses,
        "detection_bound_ms": welcome.detection_bound_ms,
        "epoch": welcome.epoch.to_string(),
        "frame_bytes_max": welcome.frame_bytes_max,
        "server": welcome.server,
        "token": welcome.token.map(|token| bin_of(token.0)),
        "resumed": welcome.resumed,
        "resume_window_ms": welcome.resume_window_ms,
        "views": welcome.views.iter().map(|view| view.0).collect::<Vec<_>>(),
    });
    match welcome.credential_ms {
        0 => meaning,
        ms => with(meaning, "credential_ms", json!(ms)),
    }
}

fn meaning_of_presence(presence: &Presence) -> Value {
    json!({
        "status": presence.status.to_wire(),
        "text": presence.text.as_str(),
        "automatic": presence.automatic,
        "until": presence.until_ms,
    })
}

fn meaning_of_explanation(explanation: &Explanation) -> Value {
    json!({
        "message": "Explanation",
        "name": explanation.name.as_str(),
        "me": explanation.me.as_ref().map(meaning_of_presence),
        "rule": explanation.rule.name(),
        "winner": explanation.winner.map(|session| session.0),
        "sessions": explanation.sessions.iter().map(meaning_of_session).collect::<Vec<_>>(),
        "transitions": explanation.transitions.iter().map(meaning_of_transition).collect::<Vec<_>>(),
    })
}

fn meaning_of_session(report: &SessionReport) -> Value {
    json!({
        "session": report.session.0,
        "label": report.device.as_str(),
        "state": report.state.name(),
        "status": report.status.to_wire(),
        "automatic": report.automatic,
        "since": report.since_ms,
        "heard_ms_ago": report.heard_ms_ago,
        "sent_ms_ago": report.sent_ms_ago,
        "round_trip_us": report.round_trip_us,
        "misses": report.misses,
        "grace_ms": report.grace_ms,
        "resume_ms": report.resume_ms,
    })
}

fn meaning_of_transition(transition: &Transition) -> Value {
    let violation = transition.cause.and_then(CloseReason::violation);
    json!({
        "at": transition.at_ms,
        "kind": transition.kind.name(),
        "session": transition.session.map(|session| session.0),
        "cause": transition.cause.map(CloseReason::name),
        "violation": violation.map(Violation::name),
        "not_before": transition.not_before_ms,
        "status": transition.status.map(Status::to_wire),
    })
}

fn meaning_of_health(health: &Health) -> Value {
    json!({
        "message": "Health",
        "sessions": health.sessions,
        "users": health.users,
        "store": health.store.name(),
        "waiting": health.waiting,
        "dropped": health.dropped,
        "divergences": health.divergences,
        "text": health.text,
    })
}

fn meaning_of_proof(view: ViewId, proof: &ViewProof) -> Value {
    let (version, count) = (proof.version, proof.count);
    json!({"view": view.0, "version": version, "count": count, "digest": proof.digest.to_string()})
}

fn meaning_of_entry(entry: &Entry) -> Value {
    with(meaning_of_shown(entry.id, &entry.shown), "name", json!(entry.name.as_str()))
}

fn meaning_of_shown(id: UserId, shown: &Shown) -> Value {
    let devices: Vec<_> = shown.devices.as_slice().iter().map(DeviceLabel::as_str).collect();
    let meaning = with(meaning_of_presence(&shown.presence), "id", json!(id.0));
    let meaning = with(meaning, "since", json!(shown.since_ms));
    let meaning = with(meaning, "devices", json!(devices));
    with(meaning, "metadata", meaning_of_metadata(&shown.metadata))
}

fn meaning_of_change(change: &Change) -> Value {
    match change {
        Change::Joined(entry) => with(meaning_of_entry(entry), "change", json!("joined")),
        Change::Updated { id, shown } => {
            with(meaning_of_shown(*id, shown), "change", json!("updated"))
        }
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
    check_valid("client-messages.json", 192);
}

#[test]
fn server_messages_mean_what_their_vectors_say_and_are_written_like_them() {
    check_valid("server-messages.json", 177);
}

#[test]
fn invalid_frames_are_the_violations_that_their_vectors_say() {
    let vectors = vectors("invalid.json");
    assert!(vectors.len() >= 244, "invalid.json lost vectors");
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
    for message in [
        "Hello",
        "Heartbeat",
        "SetStatus",
        "Watch",
        "Unwatch",
        "Goodbye",
        "Join",
        "Leave",
        "Query",
        "Repair",
    ] {
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
        "Chosen",
        "People",
        "Explanation",
        "Health",
        "Buckets",
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
    assert!(vectors.len() >= 28, "digest.json lost vectors");
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

/// What the buckets of a view add up to, as the server of a `Repair` would say it.
fn bucket_digests(hasher: &EntryHasher, width: u64, entries: &[Entry]) -> Vec<Digest> {
    let mut digests = Vec::new();
    for entry in entries {
        let bucket = usize::try_from(u64::from(entry.id.0) / width).expect("few buckets");
        digests.resize(digests.len().max(bucket + 1), Digest::default());
        digests[bucket].add(hasher.hash(entry));
    }
    digests
}

#[test]
fn buckets_are_what_their_vectors_say_and_lead_to_what_is_wrong() {
    let vectors = vectors("buckets.json");
    assert!(vectors.len() >= 11, "buckets.json lost vectors");
    for vector in &vectors {
        let name = str_of(vector, "name");
        let epoch = bytes_of(str_of(vector, "epoch")).try_into().expect("an epoch has 16 bytes");
        let hasher = EntryHasher::new(Epoch(epoch));
        let width = vector["width"].as_u64().expect("a width is a number");
        let list = |key: &str| -> Vec<_> {
            vector[key].as_array().expect("a list").iter().map(entry_of).collect()
        };
        let theirs = bucket_digests(&hasher, width, &list("entries"));
        let ours = bucket_digests(&hasher, width, &list("copy"));
        let said: Vec<_> = theirs.iter().map(Digest::to_string).collect();
        assert_eq!(json!(said), vector["digests"], "{name}");
        let sum = |digests: &[Digest], bucket| digests.get(bucket).copied().unwrap_or_default();
        let wrong = (0..ours.len().max(theirs.len()))
            .filter(|&bucket| sum(&ours, bucket) != sum(&theirs, bucket))
            .map(|bucket| bucket as u64 * width)
            .map(|first| [first, (first + width - 1).min(u32::MAX.into())]);
        assert_eq!(json!(wrong.collect::<Vec<_>>()), vector["ranges"], "{name}");
    }
}

#[test]
fn pairing_codes_are_what_their_vectors_say_however_they_are_typed() {
    let vectors = vectors("pairing.json");
    assert!(vectors.len() >= 12, "pairing.json lost vectors");
    for vector in &vectors {
        let typed = vector["typed"].as_array().expect("a list").iter();
        let typed = typed.map(|typed| typed.as_str().expect("a text"));
        let Some(key) = vector["key"].as_str() else {
            for typed in typed {
                assert!(pairing::key(typed).is_err(), "{}: {typed:?}", vector["name"]);
            }
            continue;
        };
        let key = UserKey(bytes_of(key).try_into().expect("a key has 16 bytes"));
        assert_eq!(pairing::code(key), str_of(vector, "code"), "{}", vector["name"]);
        for typed in typed.chain([str_of(vector, "code")]) {
            assert_eq!(pairing::key(typed), Ok(key), "{}: {typed:?}", vector["name"]);
        }
    }
}

fn entry_of(fields: &Value) -> Entry {
    let number = |at: usize| fields[at].as_u64().expect("a number");
    let text = |at: usize| fields[at].as_str().expect("a text");
    let label = |label: &Value| {
        DeviceLabel::new(label.as_str().expect("a text")).expect("the label is valid")
    };
    let pairs = fields[8].as_object().expect("metadata are an object").iter();
    let pairs = pairs.map(|(key, value)| (&**key, value.as_str().expect("a text")));
    let presence = Presence {
        status: Status::from_wire(number(2)).expect("the status is known"),
        text: StatusText::new(text(3)).expect("the text is valid"),
        automatic: fields[5].as_bool().expect("a bool"),
        until_ms: number(6),
    };
    Entry {
        id: UserId(u32::try_from(number(0)).expect("an id has 32 bits")),
        name: DisplayName::new(text(1)).expect("the name is valid"),
        shown: Shown {
            presence,
            since_ms: number(4),
            devices: fields[7].as_array().expect("devices are a list").iter().map(label).collect(),
            metadata: Metadata::new(pairs).expect("the metadata are valid"),
        },
    }
}
