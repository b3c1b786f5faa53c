#!/usr/bin/env python3
"""Watches who is here: a whole herenow client, written from docs/protocol.md.

    pip install -r requirements.txt
    python3 watch.py --server 127.0.0.1:4373 --name ada
    python3 watch.py --server tls://HOST:4374#FINGERPRINT --name ada --credential-file secret

Prints one JSON object per event. A lost connection is resumed, a list that does not prove itself is repaired.
Exits with 0 after its own goodbye, 1 when the server ended the session or could not be reached, 2 for bad
arguments, 3 when its copy of the list stayed wrong.
"""

import argparse
import contextlib
import hashlib
import json
import random
import secrets
import select
import socket
import ssl
import sys
import time

import msgpack

HELLO, HEARTBEAT, WATCH, GOODBYE, REPAIR = 1, 2, 4, 6, 10
WELCOME, ACK, PAGE, END, DELTA, RESULT, ERROR, SERVER_GOODBYE = range(65, 73)
BUCKETS = 77
JOINED, UPDATED, LEFT = range(3)
STATUSES = ["available", "away", "busy", "invisible", "offline"]
REASONS = ["goodbye", "connection_closed", "connection_reset", "heartbeat_timeout", "replaced",
           "protocol_error", "slow_consumer", "server_shutdown", "name_in_use", "bad_hello",
           "unsupported_version", "sign_in_timeout", "server_full", "internal_error", "server_crash",
           "too_many_sessions", "not_authorized", "credential_expired", "too_many_requests", "kicked"]
HEARTBEAT_TIMEOUT = REASONS.index("heartbeat_timeout")
SERVER_FRAME_BYTES_MAX = 16_384
ID_MAX, RANGES_MAX = 2**32 - 1, 64
SIGN_IN_SECONDS = 5


class Closed(Exception):
    """The session is over: the name of the reason, and what the server says about it to people."""

    def __init__(self, reason, text=""):
        self.event = {"reason": reason, **({"text": text} if text else {})}


class Lost(Closed):
    """The connection is gone; the session may go on from another one, after so many seconds."""

    def __init__(self, reason, text="", come_back_after=0.0):
        super().__init__(reason, text)
        self.come_back_after = come_back_after


class WrongCopy(Exception):
    """Our copy of the list is not what the server says it must be."""


def print_event(event, **fields):
    print(json.dumps({"event": event, **fields}, ensure_ascii=False, separators=(",", ":")), flush=True)


def reason_name(number):
    return REASONS[number] if number < len(REASONS) else "internal_error"


def filled(fields, count, *defaults):
    """The first `count` fields, the last of them by default if they are missing."""
    missing = count - len(fields[:count])
    if missing > len(defaults):
        raise ValueError("a required field is missing")
    return [*fields[:count], *defaults[len(defaults) - missing:]]


def whole(entry):
    """The nine fields of an entry that we know: what its hash is made of."""
    return filled(entry, 9, False, 0, [], {})


def public(entry):
    _, name, status, text, _, _, _, devices, _ = entry
    return {"user": name, "status": STATUSES[status], "text": text, "devices": devices}


class View:
    """Our copy of a room's list, and its proof: section 6 of the document."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}
        self.sum = 0  # of the hashes of all entries, modulo 2^128
        self.version = None  # None while the view is incomplete, or wrong and under repair
        self.wrong_ranges = []

    def hash(self, entry):
        data = hashlib.blake2b(msgpack.packb(entry), digest_size=16, key=self.epoch).digest()
        return int.from_bytes(data, "big")

    def replace(self, id, entry):
        """Puts `entry`, or nothing if it is None, where `id` was; returns what was there."""
        old = self.entries.pop(id, None)
        if old:
            self.sum -= self.hash(old)
        if entry:
            self.entries[id] = entry
            self.sum += self.hash(entry)
        self.sum %= 2**128
        return old

    def page(self, first, last, entries):
        self.version = None
        for id in [id for id in self.entries if first <= id <= last]:
            self.replace(id, None)
        for entry in entries:
            self.replace(entry[0], whole(entry))

    def change(self, kind, id, *fields):
        """Applies one change; returns the event that it is, None if it is about nobody we know."""
        if kind == JOINED:
            entry = whole([id, *fields])
            self.replace(id, entry)
            return "join", public(entry)
        if kind not in (UPDATED, LEFT):
            raise Closed("protocol_error")
        old = self.replace(id, None)
        if not old:
            return None
        if kind == LEFT:
            return "leave", {"user": old[1], "cause": reason_name(fields[0])}
        entry = whole([id, old[1], *fields])
        self.replace(id, entry)
        return "update", public(entry)

    def delta(self, before, after, count, digest, changes):
        """Applies changes; returns the events that they are, none while the view is incomplete."""
        complete = self.version is not None
        if complete and before != self.version:
            raise WrongCopy(f"a delta from version {before} meets version {self.version}")
        events = [self.change(*change) for change in changes]
        if not complete:
            return []
        self.version = after
        self.verify(after, count, digest, "after a delta")
        return [event for event in events if event]

    def verify(self, version, count, digest, where):
        ours = (self.version, len(self.entries), self.sum.to_bytes(16, "big"))
        if ours != (version, count, digest):
            words = "version {}, {} entries, digest {}"
            ours, theirs = (words.format(v, c, d.hex()) for v, c, d in [ours, (version, count, digest)])
            raise WrongCopy(f"{where}: this copy has {ours}; the server says {theirs}")

    def buckets(self, first, width, digests, more=False):
        """Compares our buckets with the server's; after the last ones, returns the ranges that differ."""
        ours = {}
        for id, entry in self.entries.items():
            ours[id // width] = (ours.get(id // width, 0) + self.hash(entry)) % 2**128
        theirs = [int.from_bytes(digests[at:at + 16], "big") for at in range(0, len(digests), 16)]
        end = first + len(theirs)
        wrong = [first + n for n, digest in enumerate(theirs) if ours.get(first + n, 0) != digest]
        if not more:
            # Beyond the last bucket there is nobody.
            wrong += sorted(bucket for bucket in ours if bucket >= end)
        self.wrong_ranges += [[n * width, min(n * width + width - 1, ID_MAX)] for n in wrong]
        return None if more else self.wrong_ranges


def inside_tls(sock, host, fingerprint):
    """Shakes hands with a server that an authority vouches for, or that shows the certificate with this fingerprint."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["herenow/1"])
    if fingerprint:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_default_certs()
    tls = context.wrap_socket(sock, server_hostname=host)
    if fingerprint and hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest() != fingerprint:
        raise ssl.SSLError("the server shows another certificate")
    return tls


class Client:
    def __init__(self, args):
        self.args = args
        # Works like a key: it lets us come back under our name.
        self.device = secrets.token_hex(16)
        # What the server wants of whoever comes in; a server that wants nothing is not told.
        self.credential = []
        if args.credential_file:
            with open(args.credential_file, encoding="utf-8") as file:
                self.credential = [file.read().strip()]
        self.token = self.epoch = self.view = self.view_number = self.next_beat = None
        self.requests = 0
        self.repairs = 0  # steps taken since the copy was last proved: repair, then watch anew
        self.stale = False

    def connect(self):
        """Opens a connection and says who we are, and on what view to go on if there is one."""
        server, _, fingerprint = self.args.server.removeprefix("tls://").partition("#")
        host, _, port = server.rpartition(":")
        self.sock = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.args.server.startswith("tls://"):
            self.sock = inside_tls(self.sock, host.strip("[]"), fingerprint)
        self.buffer, self.next_beat, self.requests_open = b"", None, {}
        self.beats = self.unanswered = self.acked = self.round_trip_us = 0
        self.heard_at = time.monotonic()
        complete = self.view is not None and self.view.version is not None
        views = [[self.view_number, self.view.version]] if complete else []
        self.send(HELLO, 1, self.args.name, self.device, "watch.py", self.args.heartbeat_ms, self.args.observe,
                  0, "", True, 0, None, self.token, self.epoch, views, *self.credential)

    def send(self, *message):
        body = msgpack.packb(message)
        self.sock.sendall(len(body).to_bytes(2, "big") + body)

    def request(self, op, *fields):
        self.requests += 1
        self.requests_open[self.requests] = op
        self.send(op, self.requests, *fields)

    def receive(self, seconds):
        """Waits up to `seconds`, then handles every frame that has arrived whole."""
        # TLS may hold bytes that came already.
        waits = getattr(self.sock, "pending", int)() > 0
        if not waits and not select.select([self.sock], [], [], max(0, seconds))[0]:
            return
        data = self.sock.recv(65_536)
        if not data:
            raise Lost("connection_closed")
        self.buffer += data
        while len(self.buffer) >= 2:
            length = int.from_bytes(self.buffer[:2], "big")
            if not 0 < length <= SERVER_FRAME_BYTES_MAX:
                raise Closed("protocol_error")
            if len(self.buffer) < 2 + length:
                return
            body, self.buffer = self.buffer[2:2 + length], self.buffer[2 + length:]
            self.heard()
            try:
                self.handle(*msgpack.unpackb(body, strict_map_key=False))
            except WrongCopy as error:
                self.repair(error)
            except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
                raise Closed("protocol_error") from error

    def heard(self):
        if self.unanswered >= 2:
            print_event("contact_back", beats=self.unanswered)
        self.heard_at, self.unanswered = time.monotonic(), 0

    def handle(self, op, *fields):
        """One message. Fields that this version does not know are skipped, and so are other ops."""
        ours = fields[:1] == (self.view_number,) and self.view is not None
        if op == WELCOME:
            self.welcome(*fields)
        elif op == RESULT and self.requests_open.pop(fields[0]) == WATCH:
            self.view_number, self.view = fields[1], View(self.epoch)
        elif op == ERROR:
            if self.requests_open.pop(fields[0], WATCH) == WATCH:
                sys.exit(f"the server refused to show {self.args.room}: {fields[2:3]}")
            raise WrongCopy(f"the server does not repair: {fields[2:3]}")
        elif op == PAGE and ours:
            self.view.page(*fields[1:4])
        elif op == END and ours:
            self.view.version = fields[1]
            self.view.verify(*fields[1:4], "after the snapshot")
            self.repairs, self.stale = 0, False
            users = [public(entry) for _, entry in sorted(self.view.entries.items())]
            print_event("snapshot", count=len(users), users=users)
        elif op == DELTA and ours:
            for event, shown in self.view.delta(*fields[1:6]):
                print_event(event, **shown)
        elif op == BUCKETS and ours and self.repairs == 1:
            self.compared(self.view.buckets(*fields[1:5]))
        elif op == ACK:
            self.ack(*fields[:3])
        elif op == SERVER_GOODBYE:
            reason, _, reconnect, after_ms, text = filled(fields, 5, 0, False, 0, "")
            if reconnect:
                raise Lost(reason_name(reason), text, after_ms / 1000)
            raise Closed(reason_name(reason), text)

    def welcome(self, _version, _session, heartbeat_ms, misses, _bound, epoch, _bytes, *more):
        _server, token, resumed, _window_ms, views = filled(more, 5, "", None, False, 0, [])
        if self.epoch:
            print_event("back", resumed=resumed)
        self.interval, self.misses = heartbeat_ms / 1000, misses
        self.next_beat = time.monotonic() + random.random() * self.interval
        goes_on = resumed and self.view_number in views and epoch == self.epoch
        self.epoch, self.token = epoch, token
        if not goes_on:
            self.view = self.view_number = None
            self.request(WATCH, 0, self.args.room)

    def ack(self, n, _me, views):
        self.acked = n
        if n == self.beats:
            self.round_trip_us = int((time.monotonic() - self.beat_at) * 1e6)
        for number, version, count, digest, *_ in views:
            if number == self.view_number and self.view.version is not None:
                self.view.verify(version, count, digest, f"in the ack of beat {n}")
                if self.stale:
                    self.stale = False
                    print_event("fresh")
                if self.args.verbose:
                    print_event("proved", version=version)

    def repair(self, error):
        """The copy is wrong: asks for its buckets, if that does not help for all of it, and then gives up."""
        self.repairs += 1
        if self.repairs > 2 or self.view is None:
            raise error
        print_event("wrong", why=str(error))
        self.view.version, self.view.wrong_ranges, self.stale = None, [], True
        if self.repairs == 1:
            self.request(REPAIR, self.view_number)
        else:
            self.request(WATCH, 0, self.args.room)

    def compared(self, ranges):
        if ranges is None:
            return
        if not 0 < len(ranges) <= RANGES_MAX:
            raise WrongCopy(f"{len(ranges)} buckets differ")
        self.request(REPAIR, self.view_number, ranges)

    def beat(self):
        """Sends the heartbeat that is due, on our own clock: section 5 of the document."""
        now = time.monotonic()
        if now > self.next_beat + 2 * self.interval:
            # We were stalled ourselves, so what we did not hear proves nothing: count from now.
            self.next_beat, self.heard_at, self.unanswered, self.acked = now, now, 0, self.beats
        if self.unanswered >= self.misses and now - self.heard_at >= self.misses * self.interval:
            self.send(GOODBYE, HEARTBEAT_TIMEOUT)
            raise Lost("heartbeat_timeout")
        if self.beats >= self.acked + 2 and not self.stale:
            self.stale = True
            print_event("stale")
        self.beats, self.beat_at = self.beats + 1, now
        self.send(HEARTBEAT, self.beats, self.round_trip_us)
        self.next_beat += self.interval
        self.unanswered += 1
        if self.unanswered >= 2:
            print_event("contact_lost", beats=self.unanswered)

    def run(self, until):
        while (now := time.monotonic()) < until:
            if self.next_beat is None and now > self.heard_at + SIGN_IN_SECONDS:
                raise Lost("sign_in_timeout")
            if self.next_beat is not None and now >= self.next_beat:
                self.beat()
            due = self.heard_at + SIGN_IN_SECONDS + 0.1 if self.next_beat is None else self.next_beat
            self.receive(min(due, until) - time.monotonic())
        self.send(GOODBYE)

    def stay(self, until):
        """Runs until then, over as many connections as that takes."""
        first = None  # how the last connection with a Welcome was lost
        while True:
            try:
                self.connect()
                self.run(until)
                return
            except (Lost, OSError) as error:
                if self.epoch is None and not isinstance(error, Lost):
                    raise
                lost = error if isinstance(error, Lost) else Lost("connection_reset")
            if self.next_beat is not None:
                first, lost_at, attempts = lost, time.monotonic(), 0
            if first is None or time.monotonic() - lost_at + lost.come_back_after >= self.args.give_up:
                raise first or lost
            if attempts == 0:
                print_event("lost", **lost.event)
            self.sock.close()
            self.next_beat, self.stale, attempts = None, True, attempts + 1
            # Everybody comes back at once otherwise.
            time.sleep(lost.come_back_after + random.random() * min(5, 0.25 * 2**attempts))


def main():
    parser = argparse.ArgumentParser(description="Watches who is here, one JSON object per event.")
    parser.add_argument("--server", default="127.0.0.1:4373", metavar="HOST:PORT")
    parser.add_argument("--name", required=True, help="what others see")
    parser.add_argument("--credential-file", metavar="FILE", help="what lets you in: a secret, password or token")
    parser.add_argument("--room", default="lobby", help="the room to watch")
    parser.add_argument("--observe", action="store_true", help="watch without being listed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="leave after this long")
    parser.add_argument("--give-up", type=float, default=60, metavar="SECONDS",
                        help="try to come back for so long after the connection was lost, 0 for never")
    parser.add_argument("--heartbeat-ms", type=int, default=0, help="ask for this interval")
    parser.add_argument("--verbose", action="store_true", help="tell of every ack that proved the list")
    args = parser.parse_args()
    if not args.server.partition("#")[0].rpartition(":")[2].isdigit():
        parser.error("--server takes HOST:PORT, or tls://HOST:PORT#FINGERPRINT")
    if args.credential_file and not args.server.startswith("tls://"):
        parser.error("--credential-file needs a server with tls://, or everybody on the way could read it")
    client = Client(args)
    try:
        try:
            client.stay(time.monotonic() + args.seconds)
        except KeyboardInterrupt:
            with contextlib.suppress(OSError):
                client.send(GOODBYE)
        print_event("closed", reason="goodbye")
    except Closed as closed:
        print_event("closed", **closed.event)
        sys.exit(1)
    except WrongCopy as error:
        print(f"watch.py: the list is wrong, {error}", file=sys.stderr)
        sys.exit(3)
    except OSError as error:
        print(f"watch.py: {args.server}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
