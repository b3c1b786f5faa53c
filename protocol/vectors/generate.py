#!/usr/bin/env python3
"""Writes the vectors of protocol version 1, or checks that they are what this program writes.

    pip install msgpack
    python3 generate.py            writes v1/*.json beside this file
    python3 generate.py --check    exits with 1 if a file differs

The bytes come from Python's msgpack and hashlib, never from this project's own encoder, so that
the two check each other. The output depends on nothing but this text. Vectors of a released
version are never edited; a new one may be added at the end of its list.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

import msgpack

HERE = Path(__file__).parent
STATES = {"before_sign_in": 512, "signed_in": 4096, "server": 16384}
EPOCH = bytes(range(16))
DIGEST = bytes(range(0xF0, 0x100))
SINCE = 1_700_000_000_000


class Raw(bytes):
    """Bytes that are MessagePack already, for encodings that packb would not choose."""


class Frame(bytes):
    """A whole frame, or as much of one as its reader looks at."""


def pack(value):
    """`value` as MessagePack: what packb gives, except where a Raw says otherwise."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, list):
        head = msgpack.Packer().pack_array_header(len(value))
        return head + b"".join(pack(element) for element in value)
    return msgpack.packb(value)


def frame(body):
    return Frame(struct.pack(">H", len(body)) + body)


def vector(name, state, fields, meaning, canonical=False):
    """A sound frame and what it says. `fields` is a list, or the bytes of the body."""
    body = fields if isinstance(fields, bytes) else pack(fields)
    assert len(body) <= STATES[state], name
    return {
        "name": name,
        "direction": "server" if state == "server" else "client",
        "state": state,
        "limit": STATES[state],
        "hex": frame(body).hex(),
        "valid": True,
        "canonical": canonical,
        "meaning": meaning,
    }


def violation(name, state, what, expected, meaning):
    """A frame that closes the connection. `what` is a Frame, or the value in one."""
    whole = what if isinstance(what, Frame) else frame(pack(what))
    return {
        "name": name,
        "direction": "server" if state == "server" else "client",
        "state": state,
        "limit": STATES[state],
        "hex": whole.hex(),
        "valid": False,
        "violation": expected,
        "meaning": meaning,
    }


# Integers, texts and arrays as a writer might encode them that does not care for size.
def u8(n): return Raw(struct.pack(">BB", 0xCC, n))
def u16(n): return Raw(struct.pack(">BH", 0xCD, n))
def u32(n): return Raw(struct.pack(">BI", 0xCE, n))
def u64(n): return Raw(struct.pack(">BQ", 0xCF, n))
def i8(n): return Raw(struct.pack(">Bb", 0xD0, n))
def i16(n): return Raw(struct.pack(">Bh", 0xD1, n))
def i32(n): return Raw(struct.pack(">Bi", 0xD2, n))
def i64(n): return Raw(struct.pack(">Bq", 0xD3, n))
def str8(s): return Raw(struct.pack(">BB", 0xD9, len(s)) + s)
def str16(s): return Raw(struct.pack(">BH", 0xDA, len(s)) + s)
def str32(s): return Raw(struct.pack(">BI", 0xDB, len(s)) + s)
def bin16(b): return Raw(struct.pack(">BH", 0xC5, len(b)) + b)
def bin32(b): return Raw(struct.pack(">BI", 0xC6, len(b)) + b)


def array16(values):
    return Raw(struct.pack(">BH", 0xDC, len(values)) + b"".join(map(pack, values)))


def array32(values):
    return Raw(struct.pack(">BI", 0xDD, len(values)) + b"".join(map(pack, values)))


HELLO = {
    "message": "Hello", "version": 1, "name": "ada", "device": "d1", "label": "",
    "heartbeat_ms": 0, "observe": False, "status": 0, "text": "",
}


def hello(**fields):
    """The meaning of a Hello and its fields on the wire, all of them."""
    meaning = {**HELLO, **fields}
    return meaning, [1] + list(meaning.values())[1:]


def client_messages():
    vectors = []

    def say(name, fields, meaning, canonical=False, state="signed_in"):
        vectors.append(vector(name, state, fields, meaning, canonical))

    def say_hello(title, /, **fields):
        meaning, wire = hello(**fields)
        say(title, wire, meaning, True, "before_sign_in")

    # Hello, field by field.
    say_hello("hello with every field", name="Ada Lovelace", device="k3-9_Z.q", label="Ada's phone",
              heartbeat_ms=250, observe=True, status=2, text="writing notes")
    say_hello("hello with every field at its default")
    meaning, wire = hello(label="laptop", heartbeat_ms=500, observe=True, status=1, text="tea")
    defaults = list(HELLO.items())
    for length in range(4, 9):
        shorter = {**meaning, **dict(defaults[length:])}
        missing = ", ".join(name for name, _ in defaults[length:])
        say(f"hello without {missing}", wire[:length], shorter, state="before_sign_in")
    say("hello with trailing fields of a later version", wire + [7, None, ["x", {"y": 1.5}]], meaning,
        state="before_sign_in")
    say_hello("hello, name of 64 bytes", name="é" * 32)
    say_hello("hello, name in Han", name="李小龍")
    say_hello("hello, name in Arabic", name="أحمد")
    say_hello("hello, name with an emoji", name="🦊 fox")
    say_hello("hello, device id of 64 characters", device="0123456789abcdef" * 4)
    say_hello("hello, label of 64 bytes", label="x" * 64)
    say_hello("hello, text of 140 ASCII characters", text="x" * 140)
    say_hello("hello, text with joined emoji", text="back at three 👩‍💻")
    say_hello("hello, longest heartbeat interval that can be written", heartbeat_ms=2**53 - 1)
    # An empty text has a head of one byte, a long one of three.
    text_bytes = 512 - (len(pack(hello()[1])) - 1) - 3
    text = "🦊" * (text_bytes // 4) + "x" * (text_bytes % 4)
    say_hello("hello of exactly 512 bytes", text=text)
    assert len(vectors[-1]["hex"]) == 2 * 514

    def refused_hello(title, rule, /, **fields):
        say(title, hello(**fields)[1], {"message": "Hello", "refused": "bad_hello", "rule": rule},
            state="before_sign_in")

    refused_hello("hello, name empty", "name", name="")
    refused_hello("hello, name of 65 bytes", "name", name="é" * 32 + "x")
    refused_hello("hello, name not in NFC", "name", name="Zoe\u0308")
    refused_hello("hello, name with a zero width space", "name", name="a\u200bda")
    refused_hello("hello, name with a right-to-left override", "name", name="ada\u202e")
    refused_hello("hello, name with a line feed", "name", name="a\nda")
    refused_hello("hello, name with a space at its end", "name", name="ada ")
    refused_hello("hello, name with two spaces in a row", "name", name="ada  lovelace")
    refused_hello("hello, name with a no-break space", "name", name="ada\u00a0lovelace")
    refused_hello("hello, device id empty", "device", device="")
    refused_hello("hello, device id of 65 characters", "device", device="x" * 65)
    refused_hello("hello, device id with a slash", "device", device="a/b")
    refused_hello("hello, label of 65 bytes", "label", label="x" * 65)
    refused_hello("hello, label with a line feed", "label", label="a\nb")
    refused_hello("hello, status 3", "presence", status=3)
    refused_hello("hello, text of 141 characters", "presence", text="x" * 141)
    refused_hello("hello, text with an escape", "presence", text="\x1b[2J")
    say("hello of version 2, in whatever shape that has", [1, 2, {"name": "ada"}],
        {"message": "Hello", "refused": "unsupported_version", "version": 2}, state="before_sign_in")
    say("hello of version 0", [1, 0, "ada", "d1"],
        {"message": "Hello", "refused": "unsupported_version", "version": 0}, state="before_sign_in")

    # Heartbeat, and every way to write an integer.
    for n in [1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]:
        say(f"heartbeat {n}", [2, n], {"message": "Heartbeat", "n": n}, True)
    for name, five in [("uint8", u8(5)), ("uint16", u16(5)), ("uint32", u32(5)), ("uint64", u64(5)),
                       ("int8", i8(5)), ("int16", i16(5)), ("int32", i32(5)), ("int64", i64(5))]:
        say(f"heartbeat 5, n as {name}", [2, five], {"message": "Heartbeat", "n": 5})
    say("heartbeat 5, op as int64", [i64(2), 5], {"message": "Heartbeat", "n": 5})
    say("heartbeat 5 in an array16", array16([2, 5]), {"message": "Heartbeat", "n": 5})
    say("heartbeat 5 in an array32", array32([2, 5]), {"message": "Heartbeat", "n": 5})
    say("heartbeat with a trailing field of every type",
        [2, 5, None, True, -1, 2**64 - 1, 1.5, "x", b"x", [1], {"k": 1}, msgpack.ExtType(1, b"x"),
         msgpack.Timestamp(1, 0)], {"message": "Heartbeat", "n": 5})
    say("heartbeat with a trailing field nested as deeply as allowed", [2, 5, [[[[0]]]]],
        {"message": "Heartbeat", "n": 5})
    filler = 4096 - len(pack([2, 5, str16(b"")]))
    say("heartbeat of exactly 4096 bytes", [2, 5, "x" * filler], {"message": "Heartbeat", "n": 5})
    assert len(vectors[-1]["hex"]) == 2 * 4098

    # SetStatus.
    def status(request, status, text):
        return {"message": "SetStatus", "request": request, "status": status, "text": text}

    say("set available", [3, 1, 0, ""], status(1, 0, ""), True)
    say("set away with a text", [3, 2, 1, "back at three"], status(2, 1, "back at three"), True)
    say("set busy, the largest request number", [3, 2**32 - 1, 2, ""], status(2**32 - 1, 2, ""), True)
    say("set status without text", [3, 4, 1], status(4, 1, ""))
    say("set status, text of 140 characters in 560 bytes", [3, 5, 0, "🦊" * 140],
        status(5, 0, "🦊" * 140), True)
    say("set status, text as str8", [3, 6, 0, str8(b"tea")], status(6, 0, "tea"))
    say("set status, text as str16", [3, 6, 0, str16(b"tea")], status(6, 0, "tea"))
    say("set status, text as str32", [3, 6, 0, str32(b"tea")], status(6, 0, "tea"))
    say("set status with a trailing field", [3, 7, 0, "", 5], status(7, 0, ""))
    for name, fields in [("status 3", [3, 8, 3, ""]), ("text of 141 characters", [3, 8, 0, "é" * 141]),
                         ("text with a line feed", [3, 8, 0, "a\nb"]),
                         ("text with a line separator", [3, 8, 0, "a\u2028b"]),
                         ("text with a right-to-left isolate", [3, 8, 0, "a\u2067b"])]:
        say(f"set status, {name}", fields,
            {"message": "SetStatus", "refused": "bad_request", "request": 8})

    # Watch, Unwatch, Goodbye.
    say("watch the lobby", [4, 1, 0, "lobby"],
        {"message": "Watch", "request": 1, "kind": 0, "name": "lobby"}, True)
    say("watch a room that does not exist: sound, answered with no_such_room", [4, 2, 0, "attic"],
        {"message": "Watch", "request": 2, "kind": 0, "name": "attic"}, True)
    say("watch with a trailing field", [4, 1, 0, "lobby", True],
        {"message": "Watch", "request": 1, "kind": 0, "name": "lobby"})
    say("watch of an unknown kind, whatever follows it", [4, 3, 1, ["x"]],
        {"message": "Watch", "refused": "bad_request", "request": 3})
    say("watch of an unknown kind, nothing follows it", [4, 3, 9],
        {"message": "Watch", "refused": "bad_request", "request": 3})
    say("unwatch", [5, 9, 1], {"message": "Unwatch", "request": 9, "view": 1}, True)
    say("unwatch the largest view number", [5, 9, 2**32 - 1],
        {"message": "Unwatch", "request": 9, "view": 2**32 - 1}, True)
    say("unwatch with a trailing field", [5, 9, 1, None], {"message": "Unwatch", "request": 9, "view": 1})
    say("goodbye", [6, 0], {"message": "Goodbye", "reason": "goodbye"}, True)
    say("goodbye without reason", [6], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye, the server is silent", [6, 3], {"message": "Goodbye", "reason": "heartbeat_timeout"}, True)
    say("goodbye, a reason that a client cannot have", [6, 7], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye, an unknown reason", [6, 999], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye with a trailing field", [6, 0, "x"], {"message": "Goodbye", "reason": "goodbye"})

    # Ops that version 1 does not know: the server answers with unknown_op and this request number.
    for name, fields, request in [
        ("a request number first", [99, 7, "x"], 7),
        ("no field", [99], 0),
        ("the largest request number first", [99, 2**32 - 1], 2**32 - 1),
        ("a number over 32 bits first", [99, 2**32], 0),
        ("a number over 53 bits first", [99, 2**64 - 1], 0),
        ("a request number in a signed encoding first", [99, i64(7)], 7),
        ("a negative number first", [99, -7], 0),
        ("a nil first", [99, None, 7], 0),
        ("a bool first", [99, True], 0),
        ("a float first", [99, 7.0], 0),
        ("a str first", [99, "7"], 0),
        ("a bin first", [99, b"7"], 0),
        ("an array first", [99, [7]], 0),
        ("a map first", [99, {"request": 7}], 0),
        ("an ext first", [99, msgpack.ExtType(7, b"7")], 0),
    ]:
        say(f"unknown op, {name}", fields, {"refused": "unknown_op", "op": 99, "request": request})
    say("unknown op, the largest", [2**53 - 1, 1], {"refused": "unknown_op", "op": 2**53 - 1, "request": 1})
    say("an op that only a server sends", [65, 1], {"refused": "unknown_op", "op": 65, "request": 1})
    return vectors


REASONS = ["goodbye", "connection_closed", "connection_reset", "heartbeat_timeout", "replaced",
           "protocol_error", "slow_consumer", "server_shutdown", "name_in_use", "bad_hello",
           "unsupported_version", "sign_in_timeout", "server_full", "internal_error"]
VIOLATIONS = ["empty_frame", "frame_too_long", "not_messagepack", "trailing_bytes", "wrong_shape",
              "out_of_range", "unexpected_message"]
ERRORS = ["bad_request", "unknown_op", "no_such_room", "no_such_view", "not_listed"]


def server_messages():
    vectors = []

    def say(name, fields, meaning, canonical=False):
        vectors.append(vector(name, "server", fields, meaning, canonical))

    # Welcome.
    welcome = {
        "message": "Welcome", "version": 1, "session": 7, "heartbeat_ms": 2000, "misses": 5,
        "detection_bound_ms": 10500, "epoch": EPOCH.hex(), "frame_bytes_max": 4096,
        "server": "herenow 0.1.0",
    }
    fields = [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "herenow 0.1.0"]
    say("welcome", fields, welcome, True)
    say("welcome without server", fields[:8], {**welcome, "server": ""})
    say("welcome with trailing fields", fields + [1, [2]], welcome)
    say("welcome, the largest session number and the shortest heartbeat",
        [65, 1, 2**53 - 1, 1, 1, 2, bytes(16), 4096, ""],
        {"message": "Welcome", "version": 1, "session": 2**53 - 1, "heartbeat_ms": 1, "misses": 1,
         "detection_bound_ms": 2, "epoch": "00" * 16, "frame_bytes_max": 4096, "server": ""}, True)
    say("welcome, epoch as bin16", fields[:6] + [bin16(EPOCH)] + fields[7:], welcome)
    say("welcome, epoch as bin32", fields[:6] + [bin32(EPOCH)] + fields[7:], welcome)

    # HeartbeatAck.
    def ack(n, me, views):
        return {"message": "HeartbeatAck", "n": n, "me": me, "views": views}

    def proof(view, version, count, digest):
        return {"view": view, "version": version, "count": count, "digest": digest.hex()}

    tea = {"status": 1, "text": "tea"}
    say("ack of an observer that watches nothing", [66, 1, None, []], ack(1, None, []), True)
    say("ack with presence and a proved view", [66, 2, [1, "tea"], [[1, 18, 2, DIGEST]]],
        ack(2, tea, [proof(1, 18, 2, DIGEST)]), True)
    say("ack with two proved views", [66, 3, [0, ""], [[1, 18, 2, DIGEST], [2, 2**53 - 1, 0, bytes(16)]]],
        ack(3, {"status": 0, "text": ""}, [proof(1, 18, 2, DIGEST), proof(2, 2**53 - 1, 0, bytes(16))]),
        True)
    say("ack, presence without text", [66, 4, [2], []], ack(4, {"status": 2, "text": ""}, []))
    say("ack with trailing fields at every level",
        [66, 5, [1, "tea", 9], [[1, 18, 2, DIGEST, None]], True], ack(5, tea, [proof(1, 18, 2, DIGEST)]))

    # SnapshotPage and SnapshotEnd.
    def entry(id, name, status, text, since):
        return {"id": id, "name": name, "status": status, "text": text, "since": since}

    def page(view, first, last, entries):
        return {"message": "SnapshotPage", "view": view, "first": first, "last": last,
                "entries": [entry(*e) for e in entries]}

    people = [[3, "ada", 0, "", SINCE], [4, "李小龍", 1, "back at three 👩‍💻", SINCE + 1]]
    say("page without entries over all ids", [67, 1, 0, 2**32 - 1, []], page(1, 0, 2**32 - 1, []), True)
    say("page with two entries", [67, 1, 0, 127, people], page(1, 0, 127, people), True)
    edge = [[2**32 - 1, "z", 2, "", 2**53 - 1]]
    say("page of the last id alone", [67, 1, 2**32 - 1, 2**32 - 1, edge],
        page(1, 2**32 - 1, 2**32 - 1, edge), True)
    say("page with entries at both ends of its range", [67, 1, 3, 4, people], page(1, 3, 4, people), True)
    say("page with trailing fields at every level", [67, 1, 0, 127, [people[0] + ["x", [1]]], 5],
        page(1, 0, 127, people[:1]))
    def size(entries):
        return len(pack([67, 1, 0, 2**32 - 1, entries]))

    def person(id):
        return [id, f"user {id:03}", id % 3, "x" * 60, SINCE + id]

    many = []
    while size(many + [person(len(many))]) <= 16384:
        many.append(person(len(many)))
    # Less than one entry is left, and a text from 32 characters on grows byte by byte.
    many[0][3] += "y" * (16384 - size(many))
    assert size(many) == 16384 and len(many[0][3]) <= 140
    say("page of exactly 16384 bytes", [67, 1, 0, 2**32 - 1, many], page(1, 0, 2**32 - 1, many), True)

    end = {"message": "SnapshotEnd", **proof(1, 18, 2, DIGEST)}
    say("snapshot end", [68, 1, 18, 2, DIGEST], end, True)
    say("snapshot end of an empty view", [68, 1, 0, 0, bytes(16)],
        {"message": "SnapshotEnd", **proof(1, 0, 0, bytes(16))}, True)
    say("snapshot end with a trailing field", [68, 1, 18, 2, DIGEST, "x"], end)

    # Delta.
    def delta(changes, to=18, count=2):
        return {"message": "Delta", "view": 1, "from": 17, "to": to, "count": count,
                "digest": DIGEST.hex(), "changes": changes}

    def joined(*e):
        return {"change": "joined", **entry(*e)}

    def updated(id, status, text, since):
        return {"change": "updated", "id": id, "status": status, "text": text, "since": since}

    def left_(id, cause, violation=None):
        return {"change": "left", "id": id, "cause": cause, "violation": violation}

    def say_delta(name, changes, meaning, canonical=True):
        say(name, [69, 1, 17, 18, 2, DIGEST, changes], delta(meaning), canonical)

    say_delta("delta without changes: someone came and went", [], [])
    say_delta("delta, one joined", [[0] + people[0]], [joined(*people[0])])
    say_delta("delta, one updated", [[1, 3, 2, "in a call", SINCE]], [updated(3, 2, "in a call", SINCE)])
    say_delta("delta, one updated, text taken away", [[1, 3, 0, "", SINCE]], [updated(3, 0, "", SINCE)])
    for number, reason in enumerate(REASONS):
        if reason == "protocol_error":
            continue
        say_delta(f"delta, one left: {reason}", [[2, 3, number, 0]], [left_(3, reason)])
    for number, name in enumerate(VIOLATIONS, 1):
        say_delta(f"delta, one left: protocol_error, {name}", [[2, 3, 5, number]],
                  [left_(3, "protocol_error", name)])
    say_delta("delta, one left: an unknown violation", [[2, 3, 5, 99]],
              [left_(3, "protocol_error", "other")], False)
    say_delta("delta, one left: an unknown cause", [[2, 3, 99, 0]], [left_(3, "internal_error")], False)
    say_delta("delta, one left, detail missing", [[2, 3, 3]], [left_(3, "heartbeat_timeout")], False)
    say_delta("delta, detail of a cause that has none", [[2, 3, 3, 4]], [left_(3, "heartbeat_timeout")],
              False)
    say_delta("delta, everything at once, in order",
              [[2, 3, 0, 0], [0, 3, "bob", 0, "", SINCE], [1, 4, 2, "", SINCE], [0] + people[0]],
              [left_(3, "goodbye"), joined(3, "bob", 0, "", SINCE), updated(4, 2, "", SINCE),
               joined(*people[0])])
    say_delta("delta, trailing fields in each change",
              [[0] + people[0] + [1], [1, 3, 2, "", SINCE, "x"], [2, 3, 0, 0, None]],
              [joined(*people[0]), updated(3, 2, "", SINCE), left_(3, "goodbye")], False)
    say("delta over several versions", [69, 1, 17, 25, 2, DIGEST, []], delta([], to=25), True)
    say("delta with a trailing field", [69, 1, 17, 18, 2, DIGEST, [], 1], delta([]))

    # Result, Error.
    say("result without value", [70, 2, None], {"message": "Result", "request": 2, "value": None}, True)
    say("result with a view", [70, 1, 1], {"message": "Result", "request": 1, "value": 1}, True)
    say("result, value missing", [70, 2], {"message": "Result", "request": 2, "value": None})
    say("result with a trailing field", [70, 1, 1, "x"], {"message": "Result", "request": 1, "value": 1})

    def error(request, code, text):
        return {"message": "Error", "request": request, "code": code, "text": text}

    for number, code in enumerate(ERRORS, 1):
        say(f"error {code}", [71, 3, number, "no"], error(3, code, "no"), True)
    say("error, an unknown code", [71, 3, 99, "no"], error(3, "other", "no"))
    say("error, text missing", [71, 3, 1], error(3, "bad_request", ""))
    say("error with a trailing field", [71, 3, 1, "no", 1], error(3, "bad_request", "no"))

    # Goodbye.
    def goodbye(reason, violation=None, reconnect=False, come_back_after_ms=0, text=""):
        return {"message": "Goodbye", "reason": reason, "violation": violation, "reconnect": reconnect,
                "come_back_after_ms": come_back_after_ms, "text": text}

    for number, reason in enumerate(REASONS):
        if reason != "protocol_error":
            say(f"goodbye {reason}", [72, number, 0, False, 0, ""], goodbye(reason), True)
    for number, name in enumerate(VIOLATIONS, 1):
        say(f"goodbye protocol_error, {name}", [72, 5, number, False, 0, name],
            goodbye("protocol_error", name, text=name), True)
    full = [72, 7, 0, True, 1500, "back soon"]
    say("goodbye with every field", full, goodbye("server_shutdown", None, True, 1500, "back soon"), True)
    say("goodbye, text missing", full[:5], goodbye("server_shutdown", None, True, 1500))
    say("goodbye, time and text missing", full[:4], goodbye("server_shutdown", None, True))
    say("goodbye, all but reason and detail missing", full[:3], goodbye("server_shutdown"))
    say("goodbye, all but the reason missing", full[:2], goodbye("server_shutdown"))
    say("goodbye with trailing fields", full + [1, 2],
        goodbye("server_shutdown", None, True, 1500, "back soon"))
    say("goodbye, an unknown reason", [72, 99, 0, True], goodbye("internal_error", None, True))
    say("goodbye, an unknown violation", [72, 5, 99], goodbye("protocol_error", "other"))

    for name, fields in [("without fields", [99]), ("with any fields", [99, {"a": [1.5]}, None])]:
        say(f"unknown op {name}: the client ignores it", fields, {"ignored": True, "op": 99})
    say("an op that only a client sends: the client ignores it", [1, 1], {"ignored": True, "op": 1})
    return vectors


def invalid():
    vectors = []

    def refuse(name, state, what, expected, meaning):
        vectors.append(violation(name, state, what, expected, meaning))

    def body(data):
        return frame(bytes(data))

    signed_in, server, before = "signed_in", "server", "before_sign_in"

    # 1 and 2: judged by the length alone; the frame's body is not even there.
    refuse("length zero", signed_in, Frame(b"\0\0"), "empty_frame", "a length of 0")
    refuse("length zero before a frame", signed_in, Frame.fromhex("0000 0003 92 02 05"), "empty_frame",
           "a length of 0, then a sound frame that nobody reads any more")
    for state, limit in STATES.items():
        refuse(f"one byte over the limit, {state}", state, Frame(struct.pack(">H", limit + 1)), "frame_too_long",
               f"a length of {limit + 1} where {limit} are allowed")
        refuse(f"the longest length, {state}", state, Frame(b"\xff\xff"), "frame_too_long", "a length of 65535")
    refuse("an HTTP request", before, Frame(b"GET / HTTP/1.1\r\n\r\n"), "frame_too_long",
           "its first two bytes are a length of 18245")
    long_hello = hello(text="🦊" * 125)[1]
    refuse("hello with a text too long for 512 bytes", before, long_hello, "frame_too_long",
           "each field keeps its rule; the text should come in a SetStatus")

    # 3: not MessagePack.
    for state in [signed_in, server]:
        refuse(f"the byte 0xc1, {state}", state, body([0xC1]), "not_messagepack", "never used by MessagePack")
        refuse(f"0xc1 inside of a field to ignore, {state}", state, body([0x92, 99, 0xC1]),
               "not_messagepack", "unknown fields must be MessagePack, too")
        refuse(f"array of 3 with 2 elements, {state}", state, body([0x93, 2, 5]), "not_messagepack",
               "the value is cut short")
        refuse(f"array of 4294967295 elements, {state}", state, body([0xDD, 255, 255, 255, 255, 2, 5]),
               "not_messagepack", "the value is cut short")
        refuse(f"map of 4294967295 pairs, {state}", state, body([0x92, 99, 0xDF, 255, 255, 255, 255, 2, 5]),
               "not_messagepack", "the value is cut short")
        for name, head in [("str", 0xDB), ("bin", 0xC6), ("ext", 0xC9)]:
            refuse(f"{name} of 4294967295 bytes, {state}", state,
                   body([0x92, 99, head, 255, 255, 255, 255, 1, 2, 3]), "not_messagepack",
                   "the value is cut short")
        refuse(f"a number cut short, {state}", state, body([0x92, 2, 0xCF, 0, 0, 0]), "not_messagepack",
               "a uint64 with three of its bytes")
        refuse(f"nested one level too deep, {state}", state, [99, [[[[[0]]]]]], "not_messagepack",
               "six arrays in each other")
        refuse(f"nested one level too deep by an empty array, {state}", state, [99, [[[[[]]]]]],
               "not_messagepack", "six arrays in each other")
        refuse(f"nested one level too deep by maps, {state}", state, [99, {0: {0: {0: {0: {}}}}}],
               "not_messagepack", "maps count as arrays do")
        refuse(f"nested to the end of the frame, {state}", state, body(b"\x91" * 4096), "not_messagepack",
               "4096 arrays in each other")
        for name, text in [("a lone byte", b"\xff"), ("a cut character", b"\xc3"),
                           ("an overlong zero", b"\xc0\x80"), ("a surrogate", b"\xed\xa0\x80")]:
            text = Raw(bytes([0xA0 | len(text)]) + text)
            refuse(f"a str that is not UTF-8: {name}, {state}", state, [99, text], "not_messagepack",
                   "a str must be UTF-8, even in a field to ignore")
    refuse("name that is not UTF-8", before, [1, 1, Raw(b"\xa1\xff"), "d1"], "not_messagepack",
           "a str must be UTF-8")
    refuse("digest as a str that is not UTF-8", server, [68, 1, 18, 2, Raw(b"\xb0" + DIGEST)],
           "not_messagepack", "16 bytes, but of a str")

    # 4: more than one value.
    refuse("a byte after the value", signed_in, body(pack([2, 5]) + b"\xc0"), "trailing_bytes",
           "a nil follows")
    refuse("a second message in the frame", signed_in, body(pack([2, 5]) * 2), "trailing_bytes",
           "each message has a frame of its own")
    refuse("rubbish after the value", signed_in, body(pack([2, 5]) + b"\xc1"), "trailing_bytes",
           "nobody reads what follows the value")
    refuse("a byte after a server's value", server, body(pack([70, 1, None]) + b"\0"), "trailing_bytes",
           "a 0 follows")
    refuse("a byte after the wrong shape", signed_in, body(pack("x") + b"\0"), "trailing_bytes",
           "trailing bytes are seen before the shape")

    # 5: wrong shape.
    for state in [signed_in, server]:
        for name, value in [("a number", 2), ("a nil", None), ("a str", "hello"), ("a map", {0: 2, 1: 5}),
                            ("a bin whose bytes read like a message", b"\x02\x05"),
                            ("an ext", msgpack.ExtType(1, b"xx"))]:
            refuse(f"the message is {name}, {state}", state, value, "wrong_shape", "a message is an array")
        refuse(f"no op, {state}", state, [], "wrong_shape", "an array without elements")
        for name, op in [("a str", "Heartbeat"), ("a nil", None), ("a float", 2.0), ("a bool", True),
                         ("an array", [2])]:
            refuse(f"the op is {name}, {state}", state, [op, 5], "wrong_shape", "an op is an integer")
    sound = {
        "hello": (before, [1, 1, "ada", "d1"]),
        "heartbeat": (signed_in, [2, 5]),
        "set status": (signed_in, [3, 1, 0]),
        "watch": (signed_in, [4, 1, 0, "lobby"]),
        "unwatch": (signed_in, [5, 1, 1]),
        "welcome": (server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096]),
        "ack": (server, [66, 1, None, []]),
        "page": (server, [67, 1, 0, 127, []]),
        "snapshot end": (server, [68, 1, 18, 2, DIGEST]),
        "delta": (server, [69, 1, 17, 18, 2, DIGEST, []]),
        "result": (server, [70, 1]),
        "error": (server, [71, 1, 1]),
        "goodbye of the server": (server, [72, 0]),
    }
    for name, (state, fields) in sound.items():
        refuse(f"{name} without its last required field", state, fields[:-1], "wrong_shape",
               "a required field is missing")
    for name, state, fields in [
        ("name as bin", before, [1, 1, b"ada", "d1"]),
        ("device as a number", before, [1, 1, "ada", 1]),
        ("label nil", before, [1, 1, "ada", "d1", None]),
        ("heartbeat_ms as a float", before, [1, 1, "ada", "d1", "", 100.0]),
        ("observe as a number", before, [1, 1, "ada", "d1", "", 0, 1]),
        ("n as a str", signed_in, [2, "5"]),
        ("n as an ext", signed_in, [2, msgpack.ExtType(1, b"\x05")]),
        ("n nil", signed_in, [2, None]),
        ("status by its name", signed_in, [3, 1, "away", ""]),
        ("text as bin", signed_in, [3, 1, 0, b"tea"]),
        ("room as bin", signed_in, [4, 1, 0, b"lobby"]),
        ("epoch as str", server, [65, 1, 7, 2000, 5, 10500, "0123456789abcdef", 4096]),
        ("epoch as an array of numbers", server, [65, 1, 7, 2000, 5, 10500, list(EPOCH), 4096]),
        ("me as a number", server, [66, 1, 0, []]),
        ("views nil", server, [66, 1, None, None]),
        ("views as an empty bin", server, [66, 1, None, b""]),
        ("a proof as bin", server, [66, 1, None, [b"\x01\x12\x02"]]),
        ("entries as a map", server, [67, 1, 0, 127, {}]),
        ("an entry without since", server, [67, 1, 0, 127, [[3, "ada", 0, ""]]]),
        ("a digest as str", server, [68, 1, 18, 2, "0123456789abcdef"]),
        ("a change without its kind", server, [69, 1, 17, 18, 2, DIGEST, [[]]]),
        ("a change as bin", server, [69, 1, 17, 18, 2, DIGEST, [b"\x02\x03\x00\x00"]]),
        ("an update without since", server, [69, 1, 17, 18, 2, DIGEST, [[1, 3, 0, ""]]]),
        ("a result that is a str", server, [70, 1, "view 1"]),
        ("reconnect as a number", server, [72, 0, 0, 1]),
    ]:
        refuse(name, state, fields, "wrong_shape", "a field of another type, or missing")
    refuse("wrong shape before out of range", signed_in, [3, -1, "away"], "wrong_shape",
           "types are judged before ranges")

    # 6: out of range.
    for name, n in [("negative", -1), ("negative, int64", i64(-(2**63))), ("2^53", 2**53),
                    ("2^64 - 1", 2**64 - 1)]:
        refuse(f"n is {name}", signed_in, [2, n], "out_of_range", "integers are from 0 to 2^53 - 1")
        refuse(f"the op is {name}", signed_in, [n, 5], "out_of_range", "integers are from 0 to 2^53 - 1")
        refuse(f"a version of a view is {name}", server, [68, 1, n, 2, DIGEST], "out_of_range",
               "integers are from 0 to 2^53 - 1")
    for name, state, fields in [
        ("version of hello 2^53", before, [1, 2**53, "ada", "d1"]),
        ("heartbeat_ms negative", before, [1, 1, "ada", "d1", "", -100]),
        ("status negative", signed_in, [3, 1, -1, ""]),
        ("request 2^32", signed_in, [3, 2**32, 0, ""]),
        ("request 2^32 of a watch", signed_in, [4, 2**32, 0, "lobby"]),
        ("view 2^32", signed_in, [5, 1, 2**32]),
        ("reason of a goodbye negative", signed_in, [6, -1]),
        ("welcome, misses 0", server, [65, 1, 7, 2000, 0, 10500, EPOCH, 4096]),
        ("welcome, misses 2^32", server, [65, 1, 7, 2000, 2**32, 10500, EPOCH, 4096]),
        ("welcome, heartbeat_ms 0", server, [65, 1, 7, 0, 5, 10500, EPOCH, 4096]),
        ("epoch of 15 bytes", server, [65, 1, 7, 2000, 5, 10500, EPOCH[:15], 4096]),
        ("digest of 17 bytes", server, [68, 1, 18, 2, DIGEST + b"\0"]),
        ("digest of no bytes", server, [68, 1, 18, 2, b""]),
        ("count 2^32", server, [68, 1, 18, 2**32, DIGEST]),
        ("status 3 of me", server, [66, 1, [3, ""], []]),
        ("text of 141 characters of me", server, [66, 1, [0, "x" * 141], []]),
        ("page, id before its range", server, [67, 1, 4, 127, [[3, "ada", 0, "", SINCE]]]),
        ("page, id after its range", server, [67, 1, 0, 2, [[3, "ada", 0, "", SINCE]]]),
        ("page, an id twice", server, [67, 1, 0, 127, [[3, "ada", 0, "", SINCE]] * 2]),
        ("page, ids descending", server, [67, 1, 0, 127, [[3, "ada", 0, "", 1], [2, "bob", 0, "", 1]]]),
        ("page, first over last", server, [67, 1, 5, 4, []]),
        ("page, id 2^32", server, [67, 1, 0, 2**32 - 1, [[2**32, "ada", 0, "", SINCE]]]),
        ("page, empty name", server, [67, 1, 0, 127, [[3, "", 0, "", SINCE]]]),
        ("page, name with an invisible character", server, [67, 1, 0, 127, [[3, "a\u200bda", 0, "", SINCE]]]),
        ("page, since negative", server, [67, 1, 0, 127, [[3, "ada", 0, "", -1]]]),
        ("delta, an unknown kind of change", server, [69, 1, 17, 18, 2, DIGEST, [[3, 3]]]),
        ("delta, text with a control character", server, [69, 1, 17, 18, 2, DIGEST, [[1, 3, 0, "\0", 1]]]),
        ("result, view 2^32", server, [70, 1, 2**32]),
        ("goodbye, time to come back negative", server, [72, 7, 0, True, -1]),
    ]:
        refuse(name, state, fields, "out_of_range", "a value outside of what the protocol allows")

    # 7: sound frames at the wrong time.
    for name, state, fields in [
        ("a heartbeat before hello", before, [2, 1]),
        ("a request before hello", before, [4, 1, 0, "lobby"]),
        ("an unknown op before hello", before, [99]),
        ("a second hello", signed_in, [1, 1, "ada", "d1"]),
        ("a second hello that breaks a rule, too", signed_in, [1, 1, "", "d1"]),
    ]:
        refuse(name, state, fields, "unexpected_message", "the frame is sound, its time is not")
    return vectors


def digests():
    vectors = []

    def digest(name, epoch, entries):
        encoded = [msgpack.packb(entry) for entry in entries]
        hashes = [hashlib.blake2b(e, digest_size=16, key=epoch).digest() for e in encoded]
        total = sum(int.from_bytes(h, "big") for h in hashes)
        vectors.append({
            "name": name,
            "epoch": epoch.hex(),
            "entries": entries,
            "encoded": [e.hex() for e in encoded],
            "hashes": [h.hex() for h in hashes],
            "count": len(entries),
            "digest": (total % 2**128).to_bytes(16, "big").hex(),
        })
        return total

    ada, bob = [1, "ada", 0, "", SINCE], [2, "bob", 1, "back at three", SINCE + 1]
    digest("no entries", EPOCH, [])
    digest("one entry", EPOCH, [ada])
    digest("the same entry under another epoch", bytes(16), [ada])
    digest("two entries", EPOCH, [ada, bob])
    digest("the same two in another order", EPOCH, [bob, ada])
    digest("one of the two after the other left", EPOCH, [bob])
    digest("another status", EPOCH, [[1, "ada", 2, "", SINCE]])
    digest("another text", EPOCH, [[1, "ada", 0, "tea", SINCE]])
    digest("another time", EPOCH, [[1, "ada", 0, "", SINCE + 1]])
    digest("names and texts in many scripts", EPOCH, [
        [3, "李小龍", 0, "你好", SINCE], [4, "أحمد", 1, "سلام", SINCE], [5, "🦊 fox", 2, "👩‍💻", SINCE],
        [6, "Žofie", 0, "č", SINCE]])
    digest("the smallest numbers", EPOCH, [[0, "x", 0, "", 0]])
    digest("the largest numbers", EPOCH, [[2**32 - 1, "x", 2, "", 2**53 - 1]])
    digest("ids at every change of their encoding", EPOCH,
           [[id, "x", 0, "", SINCE] for id in [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1]])
    digest("times at every change of their encoding", EPOCH,
           [[1, "x", 0, "", t] for t in [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]])
    digest("names and texts at every change of their encoding", EPOCH,
           [[1, "x" * 31, 0, "y" * 31, SINCE], [2, "x" * 32, 0, "y" * 32, SINCE],
            [3, "é" * 32, 0, "🦊" * 63 + "yyy", SINCE], [4, "x", 0, "🦊" * 64, SINCE],
            [5, "x", 0, "🦊" * 140, SINCE]])
    total = digest("fifty entries, whose sum passes 2^128 many times", EPOCH,
                   [[id, f"user {id}", id % 3, "", SINCE + id] for id in range(50)])
    assert total > 2**128
    return vectors


FILES = {
    "client-messages.json": client_messages,
    "server-messages.json": server_messages,
    "invalid.json": invalid,
    "digest.json": digests,
}


def main():
    differing = []
    for file, make in FILES.items():
        vectors = make()
        names = [v["name"] for v in vectors]
        assert len(names) == len(set(names)), [n for n in names if names.count(n) > 1]
        # One vector a line, so that a difference shows the vector.
        lines = ",\n".join(json.dumps(v, ensure_ascii=False) for v in vectors)
        text = f"[\n{lines}\n]\n"
        path = HERE / "v1" / file
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differing.append(file)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{file}: {len(vectors)} vectors")
    if differing:
        sys.exit(f"not what this program writes: {', '.join(differing)}")


if __name__ == "__main__":
    main()
