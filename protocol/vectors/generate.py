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
STATES = {"before_sign_in": 1024, "before_sign_in_with_credential": 4096, "signed_in": 4096, "server": 16384}
EPOCH = bytes(range(16))
DIGEST = bytes(range(0xF0, 0x100))
KEY, TOKEN = bytes(range(0x10, 0x20)), bytes(range(0x20, 0x30))
SINCE = 1_700_000_000_000


class Raw(bytes):
    """Bytes that are MessagePack already, for encodings that packb would not choose."""


class Frame(bytes):
    """A whole frame, or as much of one as its reader looks at."""


def pack(value):
    """`value` as MessagePack: what packb gives, except where a Raw says otherwise."""
    if isinstance(value, Raw):
        return bytes(value)
    if isinstance(value, dict) and any(isinstance(v, Raw) for pair in value.items() for v in pair):
        head = msgpack.Packer().pack_map_header(len(value))
        return head + b"".join(pack(v) for pair in value.items() for v in pair)
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
    "message": "Hello", "version": 1, "name": "ada", "device": "d1", "label": "", "heartbeat_ms": 0,
    "observe": False, "status": 0, "text": "", "automatic": True, "text_for_ms": 0, "key": None,
    "resume": None, "epoch": None, "views": [],
}
SECRETS = ["key", "resume", "epoch"]


def hello(**fields):
    """The meaning of a Hello and its fields on the wire, all of them. In a meaning, bytes are hex."""
    meaning = {**HELLO, **fields}
    wire = {**meaning, "message": 1}
    for secret in SECRETS:
        if meaning[secret] is not None:
            meaning[secret] = meaning[secret].hex()
    return meaning, list(wire.values())


def client_messages():
    vectors = []

    def say(name, fields, meaning, canonical=False, state="signed_in"):
        vectors.append(vector(name, state, fields, meaning, canonical))

    def say_hello(title, /, **fields):
        meaning, wire = hello(**fields)
        say(title, wire, meaning, True, "before_sign_in")

    # Hello, field by field.
    resume = {"key": KEY, "resume": TOKEN, "epoch": EPOCH, "views": [[1, 17], [2, 2**53 - 1]]}
    say_hello("hello with every field", name="Ada Lovelace", device="k3-9_Z.q", label="Ada's phone",
              heartbeat_ms=250, observe=True, status=2, text="writing notes", automatic=False,
              text_for_ms=60_000, **resume)
    say_hello("hello with every field at its default")
    meaning, wire = hello(label="laptop", heartbeat_ms=500, observe=True, status=1, text="tea", automatic=False,
                          text_for_ms=9, **resume)
    defaults = list(HELLO.items())
    for length in range(4, 15):
        shorter = {**meaning, **dict(defaults[length:])}
        missing = ", ".join(name for name, _ in defaults[length:])
        say(f"hello without {missing}", wire[:length], shorter, state="before_sign_in")
    say("hello with trailing fields of a later version", wire + [None, 7, ["x", {"y": 1.5}]], meaning,
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
    say_hello("hello, invisible from the first moment", status=3, automatic=False)
    say_hello("hello, away because of a program", status=1, automatic=True)
    say_hello("hello, a text for a day", text="at the fair", text_for_ms=86_400_000)
    say_hello("hello with a key", key=KEY)
    say_hello("hello, resume without a view", resume=TOKEN, epoch=EPOCH)
    say_hello("hello, resume without an epoch", resume=TOKEN)
    say_hello("hello, resume with a view", resume=TOKEN, epoch=EPOCH, views=[[2**32 - 1, 2**53 - 1]])
    views = [[n, n] for n in range(1, 21)]
    say("hello, twenty views, of which sixteen are read", hello(resume=TOKEN, epoch=EPOCH, views=views)[1],
        hello(resume=TOKEN, epoch=EPOCH, views=views[:16])[0], state="before_sign_in")
    say("hello, views with trailing fields", hello(resume=TOKEN, views=[[1, 17, "x", None]])[1],
        hello(resume=TOKEN, views=[[1, 17]])[0], state="before_sign_in")
    say("hello, epoch and views without a token say nothing", hello(epoch=EPOCH, views=[[1, 17]])[1],
        hello()[0], state="before_sign_in")
    say("hello, text nil says nothing, as an empty one", hello(text=None)[1], hello()[0],
        state="before_sign_in")
    # An empty text has a head of one byte, a long one of three.
    large = {"name": "n" * 64, "device": "d" * 64, "label": "l" * 64, **resume, "views": [[2**32 - 1, 2**53 - 1]] * 16}
    text_bytes = 1024 - (len(pack(hello(**large)[1])) - 1) - 3
    text = "🦊" * (text_bytes // 4) + "x" * (text_bytes % 4)
    assert len(text) <= 140
    say_hello("hello of exactly 1024 bytes", text=text, **large)
    assert len(vectors[-1]["hex"]) == 2 * 1026

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
    refused_hello("hello, label with a right-to-left override", "label", label="a\u202eb")
    refused_hello("hello, status offline", "choice", status=4)
    refused_hello("hello, status 5", "choice", status=5)
    refused_hello("hello, text of 141 characters", "choice", text="x" * 141)
    refused_hello("hello, text with an escape", "choice", text="\x1b[2J")
    say("hello of version 2, in whatever shape that has", [1, 2, {"name": "ada"}],
        {"message": "Hello", "refused": "unsupported_version", "version": 2}, state="before_sign_in")
    say("hello of version 0", [1, 0, "ada", "d1"],
        {"message": "Hello", "refused": "unsupported_version", "version": 0}, state="before_sign_in")

    # Heartbeat, and every way to write an integer.
    def beat(n, round_trip_us=0):
        return {"message": "Heartbeat", "n": n, "round_trip_us": round_trip_us}

    for n in [1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]:
        say(f"heartbeat {n}", [2, n, 0], beat(n), True)
    say("heartbeat with a round trip", [2, 5, 1234], beat(5, 1234), True)
    say("heartbeat without round_trip_us", [2, 5], beat(5))
    for name, five in [("uint8", u8(5)), ("uint16", u16(5)), ("uint32", u32(5)), ("uint64", u64(5)),
                       ("int8", i8(5)), ("int16", i16(5)), ("int32", i32(5)), ("int64", i64(5))]:
        say(f"heartbeat 5, n as {name}", [2, five, 0], beat(5))
    say("heartbeat 5, op as int64", [i64(2), 5], beat(5))
    say("heartbeat 5 in an array16", array16([2, 5, 0]), beat(5))
    say("heartbeat 5 in an array32", array32([2, 5, 0]), beat(5))
    say("heartbeat with a trailing field of every type",
        [2, 5, 0, None, True, -1, 2**64 - 1, 1.5, "x", b"x", [1], {"k": 1}, msgpack.ExtType(1, b"x"),
         msgpack.Timestamp(1, 0)], beat(5))
    say("heartbeat with a trailing field nested as deeply as allowed", [2, 5, 0, [[[[0]]]]], beat(5))
    filler = 4096 - len(pack([2, 5, 0, str16(b"")]))
    say("heartbeat of exactly 4096 bytes", [2, 5, 0, "x" * filler], beat(5))
    assert len(vectors[-1]["hex"]) == 2 * 4098

    # SetStatus.
    def status(request, status, text, automatic=False, text_for_ms=0, metadata=None):
        return {"message": "SetStatus", "request": request, "status": status, "text": text,
                "automatic": automatic, "text_for_ms": text_for_ms, "metadata": metadata}

    def say_status(title, *fields, **more):
        meaning = status(*fields, **more)
        say(title, [3] + list(meaning.values())[1:], meaning, True)

    say_status("set available", 1, 0, "")
    say_status("set away with a text", 2, 1, "back at three")
    say_status("set busy, the largest request number", 2**32 - 1, 2, "")
    say_status("set invisible", 3, 3, "")
    say_status("set away by a program, the text stays", 3, 1, None, automatic=True)
    say_status("set status with every field", 4, 2, "in a call", text_for_ms=3_600_000,
               metadata={"app": "phone", "room": "12"})
    say_status("set status, metadata taken away", 4, 0, None, metadata={})
    most = {f"{n:02}" + "k" * 62: "" for n in range(15)}
    most["14" + "k" * 62] = "x" * (1024 - len(pack(most)))
    assert len(pack(most)) == 1024
    say_status("set status, metadata of exactly 1024 bytes with keys of 64", 4, 0, "", metadata=most)
    sixteen = {chr(ord("a") + n): str(n) for n in range(16)}
    say_status("set status, sixteen pairs of metadata", 4, 0, "", metadata=sixteen)
    say_status("set status, metadata in many scripts", 4, 0, "", metadata={"é": "أحمد", "李": "🦊"})
    say("set status, metadata in another order", [3, 4, 0, "", False, 0, {"b": "2", "a": "1"}],
        status(4, 0, "", metadata={"a": "1", "b": "2"}))
    say("set status without metadata", [3, 4, 1, "tea", True, 9], status(4, 1, "tea", True, 9))
    say("set status without text_for_ms, metadata", [3, 4, 1, "tea", True], status(4, 1, "tea", True))
    say("set status without automatic, text_for_ms, metadata", [3, 4, 1, "tea"], status(4, 1, "tea"))
    say("set status without text: it is taken away", [3, 4, 1], status(4, 1, ""))
    say_status("set status, text of 140 characters in 560 bytes", 5, 0, "🦊" * 140)
    say("set status, text as str8", [3, 6, 0, str8(b"tea")], status(6, 0, "tea"))
    say("set status, text as str16", [3, 6, 0, str16(b"tea")], status(6, 0, "tea"))
    say("set status, text as str32", [3, 6, 0, str32(b"tea")], status(6, 0, "tea"))
    map16 = Raw(struct.pack(">BH", 0xDE, 1) + pack("a") + pack("1"))
    map32 = Raw(struct.pack(">BI", 0xDF, 1) + pack("a") + pack("1"))
    for name, metadata in [("map16", map16), ("map32", map32)]:
        say(f"set status, metadata as {name}", [3, 6, 0, "", False, 0, metadata],
            status(6, 0, "", metadata={"a": "1"}))
    say("set status with a trailing field", [3, 7, 0, "", False, 0, None, 5], status(7, 0, ""))
    twice = Raw(b"\x82" + (pack("a") + pack("1")) * 2)
    long_metadata = {"k": "x" * 1019}
    assert len(pack(long_metadata)) == 1025
    for name, fields in [("status offline", [3, 8, 4, ""]), ("status 5", [3, 8, 5, ""]),
                         ("text of 141 characters", [3, 8, 0, "é" * 141]),
                         ("text with a line feed", [3, 8, 0, "a\nb"]),
                         ("text with a line separator", [3, 8, 0, "a\u2028b"]),
                         ("text with a right-to-left isolate", [3, 8, 0, "a\u2067b"]),
                         ("seventeen pairs of metadata", [3, 8, 0, "", False, 0, {**sixteen, "q": ""}]),
                         ("metadata of 1025 bytes", [3, 8, 0, "", False, 0, long_metadata]),
                         ("an empty metadata key", [3, 8, 0, "", False, 0, {"": "x"}]),
                         ("a metadata key of 65 bytes", [3, 8, 0, "", False, 0, {"k" * 65: ""}]),
                         ("a metadata key twice", [3, 8, 0, "", False, 0, twice])]:
        say(f"set status, {name}", fields,
            {"message": "SetStatus", "refused": "bad_request", "request": 8})

    def refused(title, message, fields):
        say(title, fields, {"message": message, "refused": "bad_request", "request": fields[1]})

    # Watch and Unwatch.
    def room(request, name):
        return {"message": "Watch", "request": request, "kind": 0, "room": name}

    def people(request, names, view=0):
        return {"message": "Watch", "request": request, "kind": 1, "names": names, "view": view}

    names = [f"user {n:03}" for n in range(128)]
    say("watch the lobby", [4, 1, 0, "lobby"], room(1, "lobby"), True)
    say("watch a room that nobody joined", [4, 2, 0, "Café 李"], room(2, "Café 李"), True)
    say("watch with a trailing field", [4, 1, 0, "lobby", True], room(1, "lobby"))
    say("watch people", [4, 3, 1, ["ada", "李小龍"], 0], people(3, ["ada", "李小龍"]), True)
    say("watch people, view missing", [4, 3, 1, ["ada"]], people(3, ["ada"]))
    say("watch nobody", [4, 3, 1, [], 0], people(3, []), True)
    say("watch further people", [4, 3, 1, ["bob"], 2**32 - 1], people(3, ["bob"], 2**32 - 1), True)
    say("watch 128 people", [4, 3, 1, names, 0], people(3, names), True)
    say("watch people, names in an array32", [4, 3, 1, array32(["ada"]), 0], people(3, ["ada"]))
    say("watch people with a trailing field", [4, 3, 1, ["ada"], 7, "x"], people(3, ["ada"], 7))
    refused("watch of an unknown kind, whatever follows it", "Watch", [4, 3, 2, {"x": 1.5}])
    refused("watch of an unknown kind, nothing follows it", "Watch", [4, 3, 9])
    refused("watch 129 people", "Watch", [4, 3, 1, names + ["ada"], 0])
    refused("watch people, one name breaks a rule", "Watch", [4, 3, 1, ["ada", "a\u200bda"], 0])
    refused("watch a room whose name breaks a rule", "Watch", [4, 3, 0, "two  spaces"])
    refused("watch a room without a name", "Watch", [4, 3, 0, ""])
    say("unwatch", [5, 9, 1], {"message": "Unwatch", "request": 9, "view": 1}, True)
    say("unwatch the largest view number", [5, 9, 2**32 - 1],
        {"message": "Unwatch", "request": 9, "view": 2**32 - 1}, True)
    say("unwatch with a trailing field", [5, 9, 1, None], {"message": "Unwatch", "request": 9, "view": 1})

    # Goodbye.
    say("goodbye", [6, 0], {"message": "Goodbye", "reason": "goodbye"}, True)
    say("goodbye without reason", [6], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye, the server is silent", [6, 3], {"message": "Goodbye", "reason": "heartbeat_timeout"}, True)
    say("goodbye, a reason that a client cannot have", [6, 7], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye, an unknown reason", [6, 999], {"message": "Goodbye", "reason": "goodbye"})
    say("goodbye with a trailing field", [6, 0, "x"], {"message": "Goodbye", "reason": "goodbye"})

    # Join, Leave.
    for op, message in [(7, "Join"), (8, "Leave")]:
        meaning = {"message": message, "request": 4, "room": "attic"}
        say(f"{message.lower()} a room", [op, 4, "attic"], meaning, True)
        say(f"{message.lower()} a room of 64 bytes", [op, 4, "é" * 32], {**meaning, "room": "é" * 32}, True)
        say(f"{message.lower()} with a trailing field", [op, 4, "attic", 1], meaning)
        refused(f"{message.lower()} a room of 65 bytes", message, [op, 4, "x" * 65])

    # Query.
    def query(kind, **fields):
        return {"message": "Query", "request": 5, "kind": kind, **fields}

    say("query two people", [9, 5, 0, ["ada", "bob"]], query(0, names=["ada", "bob"]), True)
    say("query 128 people", [9, 5, 0, names], query(0, names=names), True)
    say("query how many are in the lobby", [9, 5, 1, "lobby"], query(1, room="lobby"), True)
    say("query a page of a room", [9, 5, 2, "lobby", 300], query(2, room="lobby", **{"from": 300}), True)
    say("query a page, from missing", [9, 5, 2, "lobby"], query(2, room="lobby", **{"from": 0}))
    say("query why", [9, 5, 3, "ada", None], query(3, name="ada", operator=None), True)
    say("query why, as the operator", [9, 5, 3, "ada", KEY], query(3, name="ada", operator=KEY.hex()), True)
    say("query why, operator missing", [9, 5, 3, "ada"], query(3, name="ada", operator=None))
    say("query the health", [9, 5, 4, KEY], query(4, operator=KEY.hex()), True)
    say("query the health without a key: sound, answered with not_allowed", [9, 5, 4, None],
        query(4, operator=None), True)
    say("query the health, operator missing", [9, 5, 4], query(4, operator=None))
    for kind, fields, meaning in [(0, [["ada"]], {"names": ["ada"]}), (1, ["lobby"], {"room": "lobby"}),
                                  (4, [None], {"operator": None})]:
        say(f"query of kind {kind} with a trailing field", [9, 5, kind] + fields + [1.5], query(kind, **meaning))
    refused("query of an unknown kind, whatever follows it", "Query", [9, 5, 5, {"x": 1.5}])
    refused("query of an unknown kind, nothing follows it", "Query", [9, 5, 2**53 - 1])
    refused("query 129 people", "Query", [9, 5, 0, names + ["ada"]])
    refused("query someone whose name breaks a rule", "Query", [9, 5, 3, " ada"])
    refused("query a room whose name breaks a rule", "Query", [9, 5, 1, "a\nb"])

    # Repair.
    def repair(ranges):
        return {"message": "Repair", "request": 6, "view": 1, "ranges": ranges}

    say("repair: ask for the buckets", [10, 6, 1, []], repair([]), True)
    say("repair: ask for the buckets, ranges missing", [10, 6, 1], repair([]))
    say("repair two ranges", [10, 6, 1, [[0, 15], [2**32 - 16, 2**32 - 1]]],
        repair([[0, 15], [2**32 - 16, 2**32 - 1]]), True)
    say("repair one id", [10, 6, 1, [[7, 7]]], repair([[7, 7]]), True)
    ranges = [[16 * n, 16 * n + 15] for n in range(65)]
    say("repair 64 ranges", [10, 6, 1, ranges[:64]], repair(ranges[:64]), True)
    say("repair with trailing fields at every level", [10, 6, 1, [[0, 15, "x"]], 1], repair([[0, 15]]))
    refused("repair 65 ranges", "Repair", [10, 6, 1, ranges])
    refused("repair from 15 to 0", "Repair", [10, 6, 1, [[15, 0]]])

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

    # What lets a client in.
    meaning, wire = hello()
    say("hello with a credential", wire + ["open sesame"], {**meaning, "credential": "open sesame"}, True,
        "before_sign_in")
    say("hello with an empty credential", wire + [""], {**meaning, "credential": ""}, True, "before_sign_in")
    say("hello with a credential of two kilobytes", wire + ["t" * 2048], {**meaning, "credential": "t" * 2048}, True,
        "before_sign_in_with_credential")
    say("renew", [11, 7, "open sesame"], {"message": "Renew", "request": 7, "credential": "open sesame"}, True)
    return vectors


REASONS = ["goodbye", "connection_closed", "connection_reset", "heartbeat_timeout", "replaced",
           "protocol_error", "slow_consumer", "server_shutdown", "name_in_use", "bad_hello",
           "unsupported_version", "sign_in_timeout", "server_full", "internal_error", "server_crash",
           "too_many_sessions", "not_authorized", "credential_expired",
           "too_many_requests", "kicked"]
VIOLATIONS = ["empty_frame", "frame_too_long", "not_messagepack", "trailing_bytes", "wrong_shape",
              "out_of_range", "unexpected_message"]
ERRORS = ["bad_request", "unknown_op", "no_such_room", "no_such_view", "not_listed", "limit", "not_allowed"]
RULES = ["no_session", "only_session", "invisible_hides", "person_over_program", "precedence"]
STATES_OF_SESSIONS = ["connected", "grace", "resumable"]
KINDS_OF_TRANSITIONS = ["opened", "lost", "resumed", "closed", "online", "offline", "changed"]
STORES = ["none", "written", "failing"]

# What an entry and a change have after `since`, unless the wire says otherwise.
SHOWN = {"automatic": False, "until": 0, "devices": [], "metadata": {}}


def person(id, name, status, text, since, **shown):
    """An entry on the wire, all nine fields of it."""
    return [id, name, status, text, since, *{**SHOWN, **shown}.values()]


def entry(id, name, status, text, since, *shown):
    """The meaning of an entry, whose last fields may be missing."""
    shown = {**SHOWN, **dict(zip(SHOWN, shown))}
    return {"id": id, "name": name, "status": status, "text": text, "since": since, **shown}


def server_messages():
    vectors = []

    def say(name, fields, meaning, canonical=False):
        vectors.append(vector(name, "server", fields, meaning, canonical))

    # Welcome.
    welcome = {
        "message": "Welcome", "version": 1, "session": 7, "heartbeat_ms": 2000, "misses": 5,
        "detection_bound_ms": 10500, "epoch": EPOCH.hex(), "frame_bytes_max": 4096,
        "server": "herenow 0.1.0", "token": TOKEN.hex(), "resumed": True, "resume_window_ms": 60_000,
        "views": [1, 2],
    }
    fields = [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "herenow 0.1.0", TOKEN, True, 60_000, [1, 2]]
    defaults = {"server": "", "token": None, "resumed": False, "resume_window_ms": 0, "views": []}
    say("welcome, a session resumed", fields, welcome, True)
    say("welcome, a new session", fields[:10] + [False, 60_000, []], {**welcome, "resumed": False, "views": []},
        True)
    say("welcome of an observer", fields[:9] + [None, False, 0, []],
        {**welcome, "token": None, "resumed": False, "resume_window_ms": 0, "views": []}, True)
    for length in range(8, 13):
        missing = dict(list(defaults.items())[length - 8:])
        say(f"welcome without {', '.join(missing)}", fields[:length], {**welcome, **missing})
    say("welcome with trailing fields", fields + [0, 1, [2]], welcome)
    say("welcome, the largest numbers and the shortest heartbeat",
        [65, 1, 2**53 - 1, 1, 1, 2, bytes(16), 4096, "", None, False, 2**53 - 1, [2**32 - 1]],
        {"message": "Welcome", "version": 1, "session": 2**53 - 1, "heartbeat_ms": 1, "misses": 1,
         "detection_bound_ms": 2, "epoch": "00" * 16, "frame_bytes_max": 4096, **defaults,
         "resume_window_ms": 2**53 - 1, "views": [2**32 - 1]}, True)
    say("welcome, for as long as the credential is good", fields + [85_000], {**welcome, "credential_ms": 85_000}, True)
    say("welcome, epoch as bin16", fields[:6] + [bin16(EPOCH)] + fields[7:], welcome)
    say("welcome, epoch as bin32", fields[:6] + [bin32(EPOCH)] + fields[7:], welcome)

    # HeartbeatAck.
    def ack(n, me, views, delay_ms=0):
        return {"message": "HeartbeatAck", "n": n, "me": me, "views": views, "delay_ms": delay_ms}

    def proof(view, version, count, digest):
        return {"view": view, "version": version, "count": count, "digest": digest.hex()}

    def me(status, text="", automatic=False, until=0):
        return {"status": status, "text": text, "automatic": automatic, "until": until}

    say("ack of an observer that watches nothing", [66, 1, None, [], 0], ack(1, None, []), True)
    say("ack without delay", [66, 1, None, []], ack(1, None, []))
    say("ack with presence and a proved view", [66, 2, [1, "tea", False, 0], [[1, 18, 2, DIGEST]], 0],
        ack(2, me(1, "tea"), [proof(1, 18, 2, DIGEST)]), True)
    say("ack, presence of a program with a text that expires", [66, 2, [1, "tea", True, SINCE], [], 0],
        ack(2, me(1, "tea", True, SINCE), []), True)
    say("ack with two proved views",
        [66, 3, [0, "", False, 0], [[1, 18, 2, DIGEST], [2, 2**53 - 1, 0, bytes(16)]], 0],
        ack(3, me(0), [proof(1, 18, 2, DIGEST), proof(2, 2**53 - 1, 0, bytes(16))]), True)
    say("ack, presence without until", [66, 4, [2, "tea", True], []], ack(4, me(2, "tea", True), []))
    say("ack, presence without automatic, until", [66, 4, [2, "tea"], []], ack(4, me(2, "tea"), []))
    say("ack, presence without text, automatic, until", [66, 4, [2], []], ack(4, me(2), []))
    say("ack with trailing fields at every level",
        [66, 5, [1, "tea", True, 5, 9], [[1, 18, 2, DIGEST, None]], 30, True],
        ack(5, me(1, "tea", True, 5), [proof(1, 18, 2, DIGEST)], 30))
    say("ack that says how old its views may be", [66, 6, [0, "", False, 0], [[1, 18, 2, DIGEST]], 1_200],
        ack(6, me(0), [proof(1, 18, 2, DIGEST)], 1_200), True)
    say("ack with the largest delay", [66, 7, None, [], 2**53 - 1], ack(7, None, [], 2**53 - 1), True)

    # SnapshotPage and SnapshotEnd.
    def page(view, first, last, entries):
        return {"message": "SnapshotPage", "view": view, "first": first, "last": last,
                "entries": [entry(*e) for e in entries]}

    people = [person(3, "ada", 0, "", SINCE), person(4, "李小龍", 1, "back at three 👩‍💻", SINCE + 1)]
    full = person(3, "ada", 2, "in a call", SINCE, automatic=True, until=SINCE + 60_000,
                  devices=["phone", "", "李's laptop"], metadata={"app": "phone", "é": "", "🦊": "fox"})
    say("page without entries over all ids", [67, 1, 0, 2**32 - 1, []], page(1, 0, 2**32 - 1, []), True)
    say("page with two entries", [67, 1, 0, 127, people], page(1, 0, 127, people), True)
    say("page with an entry with all there is", [67, 1, 0, 127, [full]], page(1, 0, 127, [full]), True)
    for length, missing in [(8, "metadata"), (7, "devices, metadata"), (6, "until, devices, metadata"),
                            (5, "automatic, until, devices, metadata")]:
        say(f"page, entry without {missing}", [67, 1, 0, 127, [full[:length]]], page(1, 0, 127, [full[:length]]))
    many_devices = person(3, "ada", 0, "", SINCE, devices=["x" * 64] * 16)
    say("page, entry with sixteen devices", [67, 1, 0, 127, [many_devices]], page(1, 0, 127, [many_devices]), True)
    offline = [person(0, "ada", 4, "", SINCE), person(1, "bob", 4, "", 0)]
    say("page of a list of people, of whom nobody is here", [67, 2, 0, 2**32 - 1, offline],
        page(2, 0, 2**32 - 1, offline), True)
    edge = [person(2**32 - 1, "z", 2, "", 2**53 - 1, until=2**53 - 1)]
    say("page of the last id alone", [67, 1, 2**32 - 1, 2**32 - 1, edge],
        page(1, 2**32 - 1, 2**32 - 1, edge), True)
    say("page with entries at both ends of its range", [67, 1, 3, 4, people], page(1, 3, 4, people), True)
    say("page with trailing fields at every level", [67, 1, 0, 127, [full + ["x", [1]]], 5],
        page(1, 0, 127, [full]))

    def size(entries):
        return len(pack([67, 1, 0, 2**32 - 1, entries]))

    def user(id):
        return person(id, f"user {id:03}", id % 3, "x" * 60, SINCE + id, devices=["phone"], metadata={"k": "v"})

    many = []
    while size(many + [user(len(many))]) <= 16384:
        many.append(user(len(many)))
    # Less than one entry is left, and a text from 32 characters on grows byte by byte.
    left = 16384 - size(many)
    for entry_ in many:
        more = min(left, 80)
        entry_[3] += "y" * more
        left -= more
    assert size(many) == 16384 and max(len(e[3]) for e in many) <= 140
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

    def updated(id, *shown):
        meaning = entry(id, "", *shown)
        del meaning["name"]
        return {"change": "updated", **meaning}

    def left_(id, cause, violation=None):
        return {"change": "left", "id": id, "cause": cause, "violation": violation}

    def say_delta(name, changes, meaning, canonical=True):
        say(name, [69, 1, 17, 18, 2, DIGEST, changes], delta(meaning), canonical)

    say_delta("delta without changes: someone came and went", [], [])
    say_delta("delta, one joined", [[0] + people[0]], [joined(*people[0])])
    say_delta("delta, one joined with all there is", [[0] + full], [joined(*full)])
    for length, missing in [(8, "metadata"), (7, "devices, metadata"), (6, "until, devices, metadata"),
                            (5, "automatic, until, devices, metadata")]:
        say_delta(f"delta, one joined without {missing}", [[0] + full[:length]], [joined(*full[:length])], False)
        update = [1, 3] + full[2:length]
        say_delta(f"delta, one updated without {missing}", [update], [updated(*update[1:])], False)

    def update(id, status, text, since, **shown):
        return [1] + [field for place, field in enumerate(person(id, "", status, text, since, **shown)) if place != 1]

    for name, one in [("delta, one updated", update(3, 2, "in a call", SINCE)),
                      ("delta, one updated with all there is", [1, 3] + full[2:]),
                      ("delta, one updated, text taken away", update(3, 0, "", SINCE)),
                      ("delta, one updated, of a list of people, went offline", update(3, 4, "", SINCE))]:
        say_delta(name, [one], [updated(*one[1:])])
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
    bob, busy = person(3, "bob", 0, "", SINCE), update(4, 2, "", SINCE)
    say_delta("delta, everything at once, in order", [[2, 3, 0, 0], [0] + bob, busy, [0] + people[0]],
              [left_(3, "goodbye"), joined(*bob), updated(*busy[1:]), joined(*people[0])])
    say_delta("delta, trailing fields in each change", [[0] + full + [1], busy + ["x"], [2, 3, 0, 0, None]],
              [joined(*full), updated(*busy[1:]), left_(3, "goodbye")], False)
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
    full_goodbye = [72, 7, 0, True, 1500, "back soon"]
    say("goodbye with every field", full_goodbye, goodbye("server_shutdown", None, True, 1500, "back soon"), True)
    say("goodbye, text missing", full_goodbye[:5], goodbye("server_shutdown", None, True, 1500))
    say("goodbye, time and text missing", full_goodbye[:4], goodbye("server_shutdown", None, True))
    say("goodbye, all but reason and detail missing", full_goodbye[:3], goodbye("server_shutdown"))
    say("goodbye, all but the reason missing", full_goodbye[:2], goodbye("server_shutdown"))
    say("goodbye with trailing fields", full_goodbye + [1, 2],
        goodbye("server_shutdown", None, True, 1500, "back soon"))
    say("goodbye, an unknown reason", [72, 99, 0, True], goodbye("internal_error", None, True))
    say("goodbye, an unknown violation", [72, 5, 99], goodbye("protocol_error", "other"))

    # Chosen.
    def chosen(status, text="", automatic=False, text_for_ms=0):
        return {"message": "Chosen", "status": status, "text": text, "automatic": automatic,
                "text_for_ms": text_for_ms}

    say("chosen", [73, 2, "in a call", False, 60_000], chosen(2, "in a call", False, 60_000), True)
    say("chosen invisible by a program", [73, 3, "", True, 0], chosen(3, "", True), True)
    say("chosen, the text stays", [73, 1, None, False, 0], chosen(1, None), True)
    say("chosen without text_for_ms", [73, 1, "tea", True], chosen(1, "tea", True))
    say("chosen without automatic, text_for_ms", [73, 1, "tea"], chosen(1, "tea"))
    say("chosen without text, automatic, text_for_ms", [73, 1], chosen(1))
    say("chosen with a trailing field", [73, 1, "tea", False, 0, 1], chosen(1, "tea"))

    # People.
    def answer(count, entries, next=None):
        return {"message": "People", "request": 5, "count": count, "entries": [entry(*e) for e in entries],
                "next": next}

    asked = [person(0, "ada", 2, "tea", SINCE, devices=["phone"]), person(1, "bob", 4, "", 0)]
    say("people by name, one of them offline", [74, 5, 2, asked, None], answer(2, asked), True)
    say("people, how many there are", [74, 5, 2**32 - 1, [], None], answer(2**32 - 1, []), True)
    say("people, a page with another one after it", [74, 5, 300, people, 2**32 - 1],
        answer(300, people, 2**32 - 1), True)
    say("people without next", [74, 5, 2, people], answer(2, people))
    say("people without entries, next", [74, 5, 2], answer(2, []))
    say("people, entries with defaults", [74, 5, 1, [people[0][:5]], None], answer(1, people[:1]))
    say("people with trailing fields at every level", [74, 5, 2, [full + [1]], 9, "x"], answer(2, [full], 9))

    # Explanation.
    def explained(rule, me, winner, sessions, transitions):
        return {"message": "Explanation", "request": 5, "name": "ada", "me": me, "rule": rule, "winner": winner,
                "sessions": sessions, "transitions": transitions}

    def session_meaning(state, session, label, _, *rest):
        names = ["status", "automatic", "since", "heard_ms_ago", "sent_ms_ago", "round_trip_us", "misses",
                 "grace_ms", "resume_ms"]
        return {"session": session, "label": label, "state": state, **dict(zip(names, rest))}

    def transition_meaning(kind, cause, at, _, session, __, ___, not_before, status, violation=None):
        return {"at": at, "kind": kind, "session": session, "cause": cause, "violation": violation,
                "not_before": not_before, "status": status}

    here = [7, "phone", 0, 2, False, SINCE, 120, 100, 1234, 0, None, None]
    lost = [2**53 - 1, "", 1, 3, True, SINCE, 6_000, None, None, 3, 4_000, 54_000]
    opened = [SINCE, 0, 7, None, 0, SINCE, None]
    changed = [SINCE, 6, None, None, 0, SINCE, 2]
    full_answer = [75, 5, "ada", [2, "tea", False, SINCE], 3, 7, [here, lost], [opened, changed]]
    say("explanation with everything", full_answer,
        explained("person_over_program", me(2, "tea", False, SINCE), 7,
                  [session_meaning("connected", *here), session_meaning("grace", *lost)],
                  [transition_meaning("opened", None, *opened), transition_meaning("changed", None, *changed)]), True)
    say("explanation of someone who is not here", [75, 5, "ada", None, 0, None, [], []],
        explained("no_session", None, None, [], []), True)
    for number, rule in enumerate(RULES):
        say(f"explanation, rule {rule}", [75, 5, "ada", None, number, 7, [], []],
            explained(rule, None, 7, [], []), True)
    for number, state in enumerate(STATES_OF_SESSIONS):
        one = here[:2] + [number] + here[3:]
        say(f"explanation, a session that is {state}", [75, 5, "ada", None, 1, 7, [one], []],
            explained("only_session", None, 7, [session_meaning(state, *one)], []), True)
    for number, kind in enumerate(KINDS_OF_TRANSITIONS):
        one = [SINCE + 9, number, 7, 3, 0, SINCE, None]
        say(f"explanation, a transition: {kind}", [75, 5, "ada", None, 0, None, [], [one]],
            explained("no_session", None, None, [], [transition_meaning(kind, "heartbeat_timeout", *one)]), True)
    one = [SINCE, 5, None, 5, 6, SINCE, 4]
    say("explanation, a transition with a violation", [75, 5, "ada", None, 0, None, [], [one]],
        explained("no_session", None, None, [],
                  [transition_meaning("offline", "protocol_error", *one, violation="out_of_range")]), True)
    unknown_state, unknown_kind = here[:2] + [99] + here[3:], [SINCE, 99, 7, None, 0, SINCE, None]
    say("explanation, numbers of a later version are taken for the highest known ones",
        [75, 5, "ada", None, 99, None, [unknown_state], [unknown_kind]],
        explained("precedence", None, None, [session_meaning("resumable", *unknown_state)],
                  [transition_meaning("changed", None, *unknown_kind)]))
    say("explanation with trailing fields at every level",
        [75, 5, "ada", [2, "tea", False, SINCE, 1], 3, 7, [here + [1], lost + [None]],
         [opened + ["x"], changed + [1]], 1],
        next(v["meaning"] for v in vectors if v["name"] == "explanation with everything"))

    # Health.
    def health(store, text="", numbers=(1, 2, 3, 4, 5)):
        sessions, users, waiting, dropped, divergences = numbers
        return {"message": "Health", "request": 5, "sessions": sessions, "users": users, "store": store,
                "waiting": waiting, "dropped": dropped, "divergences": divergences, "text": text}

    for number, store in enumerate(STORES):
        say(f"health, store {store}", [76, 5, 1, 2, number, 3, 4, 5, "words"], health(store, "words"), True)
    say("health, the largest numbers", [76, 5, *[2**53 - 1] * 2, 1, *[2**53 - 1] * 3, ""],
        health("written", numbers=[2**53 - 1] * 5), True)
    say("health without text", [76, 5, 1, 2, 1, 3, 4, 5], health("written"))
    say("health, a store of a later version", [76, 5, 1, 2, 99, 3, 4, 5, ""], health("failing"))
    say("health with a trailing field", [76, 5, 1, 2, 1, 3, 4, 5, "", 6], health("written"))

    # Buckets.
    def buckets(first, width, digests, more=False):
        return {"message": "Buckets", "view": 1, "first": first, "width": width,
                "digests": [digest.hex() for digest in digests], "more": more}

    say("buckets of an empty view", [77, 1, 0, 64, b"", False], buckets(0, 64, []), True)
    say("buckets, two of sixteen ids, and more to come", [77, 1, 0, 16, DIGEST + bytes(16), True],
        buckets(0, 16, [DIGEST, bytes(16)], True), True)
    say("buckets that go on with the third", [77, 1, 2, 16, DIGEST, False], buckets(2, 16, [DIGEST]), True)
    say("buckets, the last one begins with the last id", [77, 1, 2**32 - 2, 1, DIGEST * 2, False],
        buckets(2**32 - 2, 1, [DIGEST, DIGEST]), True)
    say("buckets, one of all ids but the last", [77, 1, 0, 2**32 - 1, DIGEST, False],
        buckets(0, 2**32 - 1, [DIGEST]), True)
    most = [EPOCH] * ((16384 - len(pack([77, 1, 0, 16, bin16(b""), False]))) // 16)
    say("buckets, as many as a frame holds", [77, 1, 0, 16, b"".join(most), False], buckets(0, 16, most), True)
    say("buckets without more", [77, 1, 0, 16, DIGEST], buckets(0, 16, [DIGEST]))
    say("buckets with a trailing field", [77, 1, 0, 16, DIGEST, False, 1], buckets(0, 16, [DIGEST]))

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
    long_hello = hello(text="🦊" * 140, label="l" * 64, device="d" * 64, name="x" * 64, resume=TOKEN,
                       views=[[2**32 - 1, 2**53 - 1]] * 16)[1]
    assert len(pack(long_hello)) > 1024
    refuse("hello with a text too long for 1024 bytes", before, long_hello, "frame_too_long",
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
        "watch of a room": (signed_in, [4, 1, 0, "lobby"]),
        "watch of people": (signed_in, [4, 1, 1, ["ada"]]),
        "unwatch": (signed_in, [5, 1, 1]),
        "join": (signed_in, [7, 1, "attic"]),
        "leave": (signed_in, [8, 1, "attic"]),
        "query for people": (signed_in, [9, 1, 0, ["ada"]]),
        "query for a count": (signed_in, [9, 1, 1, "lobby"]),
        "query for a page": (signed_in, [9, 1, 2, "lobby"]),
        "query for a reason": (signed_in, [9, 1, 3, "ada"]),
        "query for health": (signed_in, [9, 1]),
        "repair": (signed_in, [10, 1, 1]),
        "welcome": (server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096]),
        "ack": (server, [66, 1, None, []]),
        "page": (server, [67, 1, 0, 127, []]),
        "snapshot end": (server, [68, 1, 18, 2, DIGEST]),
        "delta": (server, [69, 1, 17, 18, 2, DIGEST, []]),
        "result": (server, [70, 1]),
        "error": (server, [71, 1, 1]),
        "goodbye of the server": (server, [72, 0]),
        "chosen": (server, [73, 0]),
        "people": (server, [74, 1, 2]),
        "explanation": (server, [75, 1, "ada", None, 0, None, [], []]),
        "health": (server, [76, 1, 1, 2, 0, 0, 0, 0]),
        "buckets": (server, [77, 1, 0, 16, b""]),
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
        ("automatic as a number", before, [1, 1, "ada", "d1", "", 0, False, 0, "", 1]),
        ("key as str", before, [1, 1, "ada", "d1", "", 0, False, 0, "", True, 0, "0123456789abcdef"]),
        ("views of hello nil", before, hello(views=None)[1]),
        ("views of hello as numbers", before, hello(views=[1, 17])[1]),
        ("a view of hello without its version", before, hello(views=[[1]])[1]),
        ("round_trip_us nil", signed_in, [2, 5, None]),
        ("metadata as an array of pairs", signed_in, [3, 1, 0, "", False, 0, [["a", "1"]]]),
        ("metadata with a number", signed_in, [3, 1, 0, "", False, 0, {"a": 1}]),
        ("metadata with a nil", signed_in, [3, 1, 0, "", False, 0, {"a": None}]),
        ("metadata with a map", signed_in, [3, 1, 0, "", False, 0, {"a": {}}]),
        ("metadata with a numbered key", signed_in, [3, 1, 0, "", False, 0, {1: "a"}]),
        ("metadata with a bin as key", signed_in, [3, 1, 0, "", False, 0, {b"a": "1"}]),
        ("names as one str", signed_in, [4, 1, 1, "ada", 0]),
        ("names with a number", signed_in, [4, 1, 1, ["ada", 1], 0]),
        ("names with a bin", signed_in, [9, 1, 0, ["ada", b"bob"]]),
        ("a bad name, then a number", signed_in, [9, 1, 0, ["", 1]]),
        ("room of a join nil", signed_in, [7, 1, None]),
        ("operator as str", signed_in, [9, 1, 4, "0123456789abcdef"]),
        ("ranges as numbers", signed_in, [10, 1, 1, [0, 15]]),
        ("a range of one number", signed_in, [10, 1, 1, [[0]]]),
        ("ranges nil", signed_in, [10, 1, 1, None]),
        ("token as str", server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "", "0123456789abcdef"]),
        ("views of welcome with a nil", server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "", None, False, 0, [None]]),
        ("devices nil", server, [67, 1, 0, 127, [[3, "ada", 0, "", SINCE, False, 0, None]]]),
        ("devices with a number", server, [67, 1, 0, 127, [[3, "ada", 0, "", SINCE, False, 0, [1]]]]),
        ("metadata of an entry nil", server, [67, 1, 0, 127, [[3, "ada", 0, "", SINCE, False, 0, [], None]]]),
        ("metadata of an entry with a number", server,
         [67, 1, 0, 127, [[3, "ada", 0, "", SINCE, False, 0, [], {"a": 1}]]]),
        ("next as str", server, [74, 1, 2, [], "3"]),
        ("a session without resume_ms", server,
         [75, 1, "ada", None, 0, None, [[7, "phone", 0, 2, False, SINCE, 1, 1, 1, 0, None]], []]),
        ("a transition without status", server, [75, 1, "ada", None, 0, None, [], [[SINCE, 0, 7, None, 0, SINCE]]]),
        ("digests as a list", server, [77, 1, 0, 16, [DIGEST]]),
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
        ("key of 15 bytes", before, hello(key=KEY[:15])[1]),
        ("token of 17 bytes in hello", before, hello(resume=TOKEN + b"\0")[1]),
        ("epoch of no bytes in hello", before, hello(epoch=b"")[1]),
        ("a view of hello 2^32", before, hello(resume=TOKEN, views=[[2**32, 1]])[1]),
        ("text_for_ms negative", before, hello(text_for_ms=-1)[1]),
        ("round_trip_us 2^53", signed_in, [2, 5, 2**53]),
        ("text_for_ms 2^53", signed_in, [3, 1, 0, "", False, 2**53]),
        ("view 2^32 of a watch of people", signed_in, [4, 1, 1, ["ada"], 2**32]),
        ("request 2^32 of a watch of an unknown kind", signed_in, [4, 2**32, 9]),
        ("kind of a query negative", signed_in, [9, 1, -1]),
        ("from 2^32 of a query", signed_in, [9, 1, 2, "lobby", 2**32]),
        ("operator of 15 bytes", signed_in, [9, 1, 4, KEY[:15]]),
        ("a range to 2^32", signed_in, [10, 1, 1, [[0, 2**32]]]),
        ("welcome, token of 15 bytes", server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "", TOKEN[:15]]),
        ("welcome, a view 2^32", server, [65, 1, 7, 2000, 5, 10500, EPOCH, 4096, "", None, False, 0, [2**32]]),
        ("me is invisible", server, [66, 1, [3, ""], []]),
        ("me is offline", server, [66, 1, [4, ""], []]),
        ("page, someone is invisible", server, [67, 1, 0, 127, [[3, "ada", 3, "", SINCE]]]),
        ("page, status 5", server, [67, 1, 0, 127, [[3, "ada", 5, "", SINCE]]]),
        ("page, seventeen devices", server, [67, 1, 0, 127, [person(3, "ada", 0, "", SINCE, devices=["x"] * 17)]]),
        ("page, device label of 65 bytes", server,
         [67, 1, 0, 127, [person(3, "ada", 0, "", SINCE, devices=["x" * 65])]]),
        ("page, metadata keys descending", server,
         [67, 1, 0, 127, [person(3, "ada", 0, "", SINCE, metadata={"b": "", "a": ""})]]),
        ("page, metadata keys in order of UTF-16, not of UTF-8", server,
         [67, 1, 0, 127, [person(3, "ada", 0, "", SINCE, metadata={"\U00010000": "", "\uffff": ""})]]),
        ("page, seventeen pairs of metadata", server,
         [67, 1, 0, 127, [person(3, "ada", 0, "", SINCE, metadata={f"{n:02}": "" for n in range(17)})]]),
        ("delta, an update to invisible", server, [69, 1, 17, 18, 2, DIGEST, [[1, 3, 3, "", SINCE]]]),
        ("chosen offline", server, [73, 4]),
        ("people, next 2^32", server, [74, 1, 2, [], 2**32]),
        ("people, count 2^32", server, [74, 1, 2**32]),
        ("explanation, an empty name", server, [75, 1, "", None, 0, None, [], []]),
        ("explanation, a session that chose offline", server,
         [75, 1, "ada", None, 0, None, [[7, "phone", 0, 4, False, SINCE, 1, 1, 1, 0, None, None]], []]),
        ("explanation, a transition to invisible", server,
         [75, 1, "ada", None, 0, None, [], [[SINCE, 6, None, None, 0, SINCE, 3]]]),
        ("explanation, a detail of no cause negative", server,
         [75, 1, "ada", None, 0, None, [], [[SINCE, 0, 7, None, -1, SINCE, None]]]),
        ("health, sessions 2^53", server, [76, 1, 2**53, 2, 0, 0, 0, 0]),
        ("buckets, width 0", server, [77, 1, 0, 0, b""]),
        ("buckets, digests of 15 bytes", server, [77, 1, 0, 16, DIGEST[:15]]),
        ("buckets beyond the last id", server, [77, 1, 2**32 - 1, 1, DIGEST * 2]),
        ("buckets beyond the last id by far", server, [77, 1, 2**32 - 1, 2**32 - 1, DIGEST]),
        ("status 7 of me", server, [66, 1, [7, ""], []]),
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
        ("a join before hello", before, [7, 1, "attic"]),
        ("a goodbye before hello", before, [6, 0]),
        ("an unknown op before hello", before, [99]),
        ("a second hello", signed_in, [1, 1, "ada", "d1"]),
        ("a second hello that breaks a rule, too", signed_in, [1, 1, "", "d1"]),
    ]:
        refuse(name, state, fields, "unexpected_message", "the frame is sound, its time is not")
    return vectors


def hash_of(epoch, entry):
    data = hashlib.blake2b(msgpack.packb(entry), digest_size=16, key=epoch).digest()
    return int.from_bytes(data, "big")


def sum_of(epoch, entries):
    return (sum(hash_of(epoch, entry) for entry in entries) % 2**128).to_bytes(16, "big")


def digests():
    vectors = []

    def digest(name, epoch, entries):
        vectors.append({
            "name": name,
            "epoch": epoch.hex(),
            "entries": entries,
            "encoded": [msgpack.packb(entry).hex() for entry in entries],
            "hashes": [hash_of(epoch, entry).to_bytes(16, "big").hex() for entry in entries],
            "count": len(entries),
            "digest": sum_of(epoch, entries).hex(),
        })

    ada, bob = person(1, "ada", 0, "", SINCE), person(2, "bob", 1, "back at three", SINCE + 1)
    digest("no entries", EPOCH, [])
    digest("one entry", EPOCH, [ada])
    digest("the same entry under another epoch", bytes(16), [ada])
    digest("two entries", EPOCH, [ada, bob])
    digest("the same two in another order", EPOCH, [bob, ada])
    digest("one of the two after the other left", EPOCH, [bob])
    digest("another id", EPOCH, [person(3, "ada", 0, "", SINCE)])
    digest("another status", EPOCH, [person(1, "ada", 2, "", SINCE)])
    digest("another text", EPOCH, [person(1, "ada", 0, "tea", SINCE)])
    digest("another time", EPOCH, [person(1, "ada", 0, "", SINCE + 1)])
    digest("chosen by a program", EPOCH, [person(1, "ada", 0, "", SINCE, automatic=True)])
    digest("a text that expires", EPOCH, [person(1, "ada", 0, "tea", SINCE, until=SINCE + 60_000)])
    digest("a device without a label", EPOCH, [person(1, "ada", 0, "", SINCE, devices=[""])])
    digest("two devices", EPOCH, [person(1, "ada", 0, "", SINCE, devices=["phone", "laptop"])])
    digest("the same two in the order in which they signed in", EPOCH,
           [person(1, "ada", 0, "", SINCE, devices=["laptop", "phone"])])
    digest("sixteen devices", EPOCH, [person(1, "ada", 0, "", SINCE, devices=["x" * 64] * 16)])
    digest("metadata", EPOCH, [person(1, "ada", 0, "", SINCE, metadata={"app": "phone", "room": "12"})])
    digest("sixteen pairs of metadata", EPOCH,
           [person(1, "ada", 0, "", SINCE, metadata={f"{n:02}": "" for n in range(16)})])
    digest("metadata keys ascend by their UTF-8", EPOCH,
           [person(1, "ada", 0, "", SINCE, metadata={"Z": "", "a": "", "é": "", "\uffff": "", "\U00010000": ""})])
    digest("someone offline", EPOCH, [person(0, "ada", 4, "", SINCE), person(1, "bob", 4, "", 0)])
    digest("an entry with all there is", EPOCH,
           [person(1, "ada", 2, "in a call", SINCE, automatic=True, until=SINCE + 60_000,
                   devices=["phone", "", "李's laptop"], metadata={"app": "phone", "é": "", "🦊": "fox"})])
    digest("names and texts in many scripts", EPOCH, [
        person(3, "李小龍", 0, "你好", SINCE), person(4, "أحمد", 1, "سلام", SINCE),
        person(5, "🦊 fox", 2, "👩‍💻", SINCE), person(6, "Žofie", 0, "č", SINCE)])
    digest("the smallest numbers", EPOCH, [person(0, "x", 0, "", 0)])
    digest("the largest numbers", EPOCH, [person(2**32 - 1, "x", 4, "", 2**53 - 1, until=2**53 - 1)])
    digest("ids at every change of their encoding", EPOCH,
           [person(id, "x", 0, "", SINCE) for id in [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1]])
    times = [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1]
    digest("times at every change of their encoding", EPOCH,
           [person(1, "x", 0, "", time, until=time) for time in times])
    digest("names and texts at every change of their encoding", EPOCH,
           [person(1, "x" * 31, 0, "y" * 31, SINCE), person(2, "x" * 32, 0, "y" * 32, SINCE),
            person(3, "é" * 32, 0, "🦊" * 63 + "yyy", SINCE), person(4, "x", 0, "🦊" * 64, SINCE),
            person(5, "x", 0, "🦊" * 140, SINCE)])
    fifty = [person(id, f"user {id}", id % 3, "", SINCE + id) for id in range(50)]
    assert sum(hash_of(EPOCH, entry) for entry in fifty) > 2**128
    digest("fifty entries, whose sum passes 2^128 many times", EPOCH, fifty)
    return vectors


def buckets():
    """Views in buckets, and where a copy that is wrong differs."""
    vectors = []

    def view(name, width, entries, copy):
        def in_buckets(entries):
            count = max((entry[0] // width + 1 for entry in entries), default=0)
            return [sum_of(EPOCH, [e for e in entries if e[0] // width == n]).hex() for n in range(count)]

        ours, theirs = in_buckets(copy), in_buckets(entries)
        longer = max(len(ours), len(theirs))
        ours, padded = (sums + ["00" * 16] * (longer - len(sums)) for sums in [ours, theirs])
        wrong = [n for n in range(longer) if ours[n] != padded[n]]
        vectors.append({
            "name": name, "epoch": EPOCH.hex(), "width": width, "entries": entries, "digests": theirs,
            "copy": copy, "ranges": [[n * width, min(n * width + width - 1, 2**32 - 1)] for n in wrong],
        })

    people = [person(id, f"user {id}", id % 3, "", SINCE + id) for id in [0, 1, 15, 16, 40, 63, 64]]
    view("an exact copy", 16, people, people)
    view("no entries, no copy", 16, [], [])
    view("no copy", 16, people, [])
    view("a copy of nobody", 16, [], people[:3])
    view("one entry is missing", 16, people, people[:4] + people[5:])
    view("one entry too many, beyond the last bucket", 16, people[:3], people)
    view("another text", 16, people, people[:2] + [person(15, "user 15", 0, "tea", SINCE + 15)] + people[3:])
    view("another device", 16, people, people[:6] + [person(64, "user 64", 1, "", SINCE + 64, devices=["phone"])])
    view("an entry under another id", 16, people, [person(2, "user 0", 0, "", SINCE)] + people[1:])
    view("buckets of one id", 1, people[:3], people[1:3])
    view("one bucket of nearly all ids, and one of the last", 2**32 - 1, people[:1] +
         [person(2**32 - 1, "z", 0, "", SINCE)], people[:1])
    return vectors


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def pairing():
    """User keys and the codes in which people carry them to another device."""
    vectors = []

    def code_of(key):
        number = int.from_bytes(key, "big")
        digits = "".join(CROCKFORD[number >> 5 * place & 31] for place in range(25, -1, -1))
        return "-".join([digits[:5], digits[5:10], digits[10:15], digits[15:20], digits[20:]])

    def pair(name, key, *typed):
        vectors.append({"name": name, "key": key.hex(), "code": code_of(key), "typed": list(typed)})

    def no_code(name, typed):
        vectors.append({"name": name, "key": None, "code": None, "typed": [typed]})

    zero = bytes(16)
    pair("all zeros", zero, "0" * 26, "o" * 26, "OOOOO-ooooo-00000-OOOOO-oooooo")
    pair("all ones", b"\xff" * 16, "7zzzzzzzzzzzzzzzzzzzzzzzzz")
    pair("the example of the document", EPOCH, "0004106105 0r3gg28a1c 6ot3gf", "OOO4I-O6L05-0r3gg-28aic-6ot3gf",
         "  00041061050R3GG28A1C60T3GF\n", "0-0-0-41061050R3GG28A1C60T3GF-")
    pair("one", bytes(15) + b"\1", "0000000000000000000000000l", "0000000000000000000000000i")
    pair("every letter", bytes.fromhex("0443214c74254b635cf84653a56d7c67"))
    no_code("nothing", "")
    no_code("a digit missing", "0" * 25)
    no_code("a digit too many", "0" * 27)
    no_code("more than 128 bits", "8" + "0" * 25)
    no_code("a U", "0" * 25 + "U")
    no_code("a letter beyond ASCII", "0" * 25 + "é")
    no_code("an underscore", "00041_06105_0R3GG_28A1C_60T3GF")
    return vectors


FILES = {
    "client-messages.json": client_messages,
    "server-messages.json": server_messages,
    "invalid.json": invalid,
    "digest.json": digests,
    "buckets.json": buckets,
    "pairing.json": pairing,
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
