#!/usr/bin/env python3
"""Watches who is here: a whole herenow client, written from docs/protocol.md.

    pip install -r requirements.txt
    python3 watch.py --server 127.0.0.1:4373 --name ada

Prints one JSON object per event. Exits with 0 after its own goodbye, 1 when the server ended the session
or could not be reached, 2 for bad arguments, 3 when its copy of the list turned out to be wrong.
"""

import argparse
import hashlib
import json
import random
import secrets
import select
import socket
import sys
import time

import msgpack

HELLO, HEARTBEAT, WATCH, GOODBYE = 1, 2, 4, 6
WELCOME, ACK, PAGE, END, DELTA, RESULT, ERROR, SERVER_GOODBYE = range(65, 73)
JOINED, UPDATED, LEFT = range(3)
STATUSES = ["available", "away", "busy"]
REASONS = ["goodbye", "connection_closed", "connection_reset", "heartbeat_timeout", "replaced",
           "protocol_error", "slow_consumer", "server_shutdown", "name_in_use", "bad_hello",
           "unsupported_version", "sign_in_timeout", "server_full", "internal_error"]
HEARTBEAT_TIMEOUT = REASONS.index("heartbeat_timeout")
SERVER_FRAME_BYTES_MAX = 16_384


class Closed(Exception):
    """The session is over: the name of the reason, and what the server says about it to people."""

    def __init__(self, reason, text=""):
        self.event = {"reason": reason, **({"text": text} if text else {})}


class WrongCopy(Exception):
    """Our copy of the list is not what the server says it must be."""


def print_event(event, **fields):
    print(json.dumps({"event": event, **fields}, ensure_ascii=False, separators=(",", ":")), flush=True)


def reason_name(number):
    return REASONS[number] if number < len(REASONS) else "internal_error"


def public(entry):
    _, name, status, text, _ = entry
    return {"user": name, "status": STATUSES[status], "text": text}


class View:
    """Our copy of a room's list, and its proof: section 6 of the document."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.entries = {}
        self.sum = 0  # of the hashes of all entries, modulo 2^128
        self.version = None  # None while the snapshot is under way

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
            self.replace(entry[0], entry[:5])

    def change(self, kind, id, *fields):
        """Applies one change; returns the event that it is, None if it is about nobody we know."""
        if kind == JOINED:
            entry = [id, *fields[:4]]
            self.replace(id, entry)
            return "join", public(entry)
        if kind not in (UPDATED, LEFT):
            raise Closed("protocol_error")
        old = self.replace(id, None)
        if not old:
            return None
        if kind == LEFT:
            return "leave", {"user": old[1], "cause": reason_name(fields[0])}
        entry = [id, old[1], *fields[:3]]
        self.replace(id, entry)
        return "update", public(entry)

    def verify(self, version, count, digest, where):
        ours = (self.version, len(self.entries), self.sum.to_bytes(16, "big"))
        if ours != (version, count, digest):
            words = "version {}, {} entries, digest {}"
            ours, theirs = (words.format(v, c, d.hex()) for v, c, d in [ours, (version, count, digest)])
            raise WrongCopy(f"{where}: this copy has {ours}; the server says {theirs}")


class Client:
    def __init__(self, sock, verbose):
        self.sock, self.verbose, self.buffer = sock, verbose, b""
        self.view = self.view_number = self.epoch = None
        self.interval = self.misses = self.next_beat = None
        self.beats = self.unanswered = 0
        self.heard_at = time.monotonic()

    def send(self, *message):
        body = msgpack.packb(message)
        self.sock.sendall(len(body).to_bytes(2, "big") + body)

    def receive(self, seconds):
        """Waits up to `seconds`, then handles every frame that has arrived whole."""
        if not select.select([self.sock], [], [], max(0, seconds))[0]:
            return
        data = self.sock.recv(65_536)
        if not data:
            raise Closed("connection_closed")
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
            except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
                raise Closed("protocol_error") from error

    def heard(self):
        if self.unanswered >= 2:
            print_event("contact_back", beats=self.unanswered)
        self.heard_at, self.unanswered = time.monotonic(), 0

    def handle(self, op, *fields):
        """One message. Fields that this version does not know are skipped, and so are other ops."""
        if op == WELCOME:
            _, _, heartbeat_ms, self.misses, _, self.epoch = fields[:6]
            self.interval = heartbeat_ms / 1000
            self.next_beat = time.monotonic() + random.random() * self.interval
            self.send(WATCH, 1, 0, "lobby")
        elif op == RESULT:
            self.view_number, self.view = fields[1], View(self.epoch)
        elif op == ERROR:
            sys.exit(f"the server refused to show the lobby: {fields[2:3]}")
        elif op == PAGE and fields[0] == self.view_number:
            self.view.page(*fields[1:4])
        elif op == END and fields[0] == self.view_number:
            version, count, digest = fields[1:4]
            self.view.version = version
            self.view.verify(version, count, digest, "after the snapshot")
            users = [public(entry) for _, entry in sorted(self.view.entries.items())]
            print_event("snapshot", count=len(users), users=users)
        elif op == DELTA and fields[0] == self.view_number:
            self.delta(*fields[1:6])
        elif op == ACK:
            for number, version, count, digest, *_ in fields[2]:
                if number == self.view_number:
                    self.view.verify(version, count, digest, f"in the ack of beat {fields[0]}")
                    if self.verbose:
                        print_event("proved", version=version)
        elif op == SERVER_GOODBYE:
            raise Closed(reason_name(fields[0]), *fields[4:5])

    def delta(self, before, after, count, digest, changes):
        complete = self.view.version is not None
        if complete and before != self.view.version:
            raise WrongCopy(f"a delta from version {before} meets version {self.view.version}")
        events = [self.view.change(*change) for change in changes]
        if complete:
            self.view.version = after
            self.view.verify(after, count, digest, "after a delta")
            for event, shown in filter(None, events):
                print_event(event, **shown)

    def beat(self):
        """Sends the heartbeat that is due, on our own clock: section 5 of the document."""
        now = time.monotonic()
        if now > self.next_beat + 2 * self.interval:
            # We were stalled ourselves, so what we did not hear proves nothing: count from now.
            self.next_beat, self.heard_at, self.unanswered = now, now, 0
        if self.unanswered >= self.misses and now - self.heard_at >= self.misses * self.interval:
            self.send(GOODBYE, HEARTBEAT_TIMEOUT)
            raise Closed("heartbeat_timeout")
        self.beats += 1
        self.send(HEARTBEAT, self.beats)
        self.next_beat += self.interval
        self.unanswered += 1
        if self.unanswered >= 2:
            print_event("contact_lost", beats=self.unanswered)

    def run(self, until):
        while (now := time.monotonic()) < until:
            if self.next_beat is None:
                if now > self.heard_at + 5:
                    raise Closed("sign_in_timeout")
            elif now >= self.next_beat:
                self.beat()
            due = self.heard_at + 5.1 if self.next_beat is None else self.next_beat
            self.receive(min(due, until) - time.monotonic())


def main():
    parser = argparse.ArgumentParser(description="Watches who is here, one JSON object per event.")
    parser.add_argument("--server", default="127.0.0.1:4373", metavar="HOST:PORT")
    parser.add_argument("--name", required=True, help="what others see")
    parser.add_argument("--observe", action="store_true", help="watch without being listed")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="leave after this long")
    parser.add_argument("--heartbeat-ms", type=int, default=0, help="ask for this interval")
    parser.add_argument("--verbose", action="store_true", help="tell of every ack that proved the list")
    args = parser.parse_args()
    host, _, port = args.server.rpartition(":")
    if not port.isdigit():
        parser.error("--server takes HOST:PORT")
    try:
        sock = socket.create_connection((host.strip("[]"), int(port)), timeout=5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, args.verbose)
        # Works like a key; a client that comes back under its name would keep it.
        device = secrets.token_hex(16)
        client.send(HELLO, 1, args.name, device, "watch.py", args.heartbeat_ms, args.observe)
        try:
            client.run(time.monotonic() + args.seconds)
        except KeyboardInterrupt:
            pass
        client.send(GOODBYE)
        print_event("closed", reason="goodbye")
    except Closed as closed:
        print_event("closed", **closed.event)
        sys.exit(1)
    except WrongCopy as error:
        print(f"watch.py: the list is wrong, {error}", file=sys.stderr)
        sys.exit(3)
    except ConnectionResetError:
        print_event("closed", reason="connection_reset")
        sys.exit(1)
    except OSError as error:
        print(f"watch.py: {args.server}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
