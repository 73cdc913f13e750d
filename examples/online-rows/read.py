"""Reads a row of the online store from Redis, with nothing but Python: docs/online-rows.md.

read.py [--redis HOST:PORT] TOPOLOGY VIEW@VERSION KEY COLUMN[:TYPE]...

COLUMN as `millrace features list` names them, in its order; TYPE is text, boolean, integer or
timestamp where `millrace describe` says so of its aggregate.
"""

import argparse
import json
import math
import socket
import struct
import sys


def redis_key(topology, view, key):
    """Of the row of an entity, whose key fields are joined already."""
    shard = 0x811C9DC5
    units = key.encode("utf-16-le", "surrogatepass")
    for (unit,) in struct.iter_unpack("<H", units):
        shard = ((shard ^ unit) * 0x01000193) & 0xFFFFFFFF
    return f"millrace:{{{topology}/{view}#{shard % 256}}}:{key}"


def decode(row, columns):
    """What a row says; columns are pairs of a name and a type, of numbers "number"."""
    layout, _, offset, version, served, as_of, seq, valid_until, count = struct.unpack_from(
        "<B8sdBBdIdH", row
    )
    if layout != 1 or version not in (1, 2):
        raise ValueError(f"layout {layout} and version {version} are of a later release")
    if count != sum(kind == "number" for _, kind in columns):
        raise ValueError(f"the row has {count} columns of numbers")
    at = struct.calcsize("<B8sdBBdIdH")
    numbers = iter(struct.unpack_from(f"<{count}d", row, at))
    at += 8 * count
    values = {name: none_of(next(numbers)) for name, kind in columns if kind == "number"}
    for name, kind in columns:
        if kind != "number":
            values[name], at = value_at(row, at, kind)
    if at != len(row):
        raise ValueError("the row has other columns")
    return {
        "offset": int(offset),
        "served": ("events", "tiles")[served],
        "as_of": as_of,
        "seq": seq,
        "valid_until": none_of(valid_until),
        "values": {name: values[name] for name, _ in columns},
    }


def none_of(number):
    return None if math.isnan(number) else number


def value_at(row, at, kind):
    """The value of a column that is no number, and where the next one begins."""
    if row[at] == 0:
        return None, at + 1
    at += 1
    if kind == "boolean":
        return row[at] == 1, at + 1
    if kind == "text":
        (length,), at = struct.unpack_from("<H", row, at), at + 2
        if length == 0xFFFF:
            (length,), at = struct.unpack_from("<I", row, at), at + 4
        return row[at : at + length].decode(), at + length
    (value,), at = struct.unpack_from("<q", row, at), at + 8
    if value == -(2**63):
        (unsigned,), at = struct.unpack_from("<Q", row, at), at + 8
        value = unsigned or value
    return value, at


def get(address, key):
    """The value of a key in Redis, None where there is none."""
    host, port = address.rsplit(":", 1)
    name = key.encode()
    with socket.create_connection((host, int(port)), timeout=5) as redis:
        redis.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(name), name))
        answer = redis.makefile("rb")
        line = answer.readline().decode().strip()
        if not line.startswith("$"):
            raise ValueError(f"Redis says {line}")
        return None if line == "$-1" else answer.read(int(line[1:]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--redis", default="127.0.0.1:6379")
    for name in ("topology", "view", "key"):
        parser.add_argument(name)
    parser.add_argument("columns", nargs="+")
    asked = parser.parse_args()
    columns = [tuple((each + ":number").split(":")[:2]) for each in asked.columns]
    key = redis_key(asked.topology, asked.view, asked.key)
    row = get(asked.redis, key)
    if row is None:
        sys.exit(f"there is no {key}")
    print(json.dumps(decode(row, columns), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
