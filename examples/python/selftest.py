#!/usr/bin/env python3
"""Checks what watch.py computes against the vectors of the protocol, without a server."""

import json
from pathlib import Path

import msgpack

from watch import PAGE, View, whole

VECTORS = Path(__file__).parents[2] / "protocol/vectors/v1"


def vectors(file):
    return json.loads((VECTORS / file).read_text(encoding="utf-8"))


def view_of(vector, entries):
    view = View(bytes.fromhex(vector["epoch"]))
    view.page(0, 2**32 - 1, entries)
    return view


def digests():
    for vector in vectors("digest.json"):
        view = View(bytes.fromhex(vector["epoch"]))
        # Some of these lists hold an id twice, which a view cannot.
        total = sum(view.hash(whole(entry)) for entry in vector["entries"]) % 2**128
        assert f"{total:032x}" == vector["digest"], vector["name"]
        ids = {entry[0] for entry in vector["entries"]}
        if len(ids) == len(vector["entries"]):
            assert view_of(vector, vector["entries"]).sum == total, vector["name"]
        yield vector


def buckets():
    for vector in vectors("buckets.json"):
        digests = [bytes.fromhex(digest) for digest in vector["digests"]]
        view = view_of(vector, vector["copy"])
        assert view.buckets(0, vector["width"], b"".join(digests)) == vector["ranges"], vector["name"]
        # The same in one message for each bucket.
        view = view_of(vector, vector["copy"])
        for n, digest in enumerate(digests):
            assert view.buckets(n, vector["width"], digest, True) is None
        assert view.buckets(len(digests), vector["width"], b"") == vector["ranges"], vector["name"]
        yield vector


def pages():
    names = ["id", "name", "status", "text", "since", "automatic", "until", "devices", "metadata"]
    for vector in vectors("server-messages.json"):
        op, *fields = msgpack.unpackb(bytes.fromhex(vector["hex"])[2:], strict_map_key=False)
        if op == PAGE:
            entries = [dict(zip(names, whole(entry))) for entry in fields[3]]
            assert entries == vector["meaning"]["entries"], vector["name"]
            yield vector


if __name__ == "__main__":
    for check in [digests, buckets, pages]:
        count = len(list(check()))
        assert count > 0
        print(f"{check.__name__}: {count} vectors")
