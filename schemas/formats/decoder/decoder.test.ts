import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../bytes.ts";
import { formatText, formatWriter, layoutOf, openFormat, unitsOf } from "../formats.ts";
import { decoder } from "../kinds.ts";
import { types } from "../types.ts";

const fields = {
  sensor: types.integer(),
  at: types.timestamp("us"),
  place: types.nullable(types.record({ room: types.text(), floor: types.integer() })),
  kind: types.enumeration("hot", "cold"),
  values: types.list(types.number()),
};

/** Bytes are JSON here; what a decoder makes of them is its own business. */
const readings = decoder({
  name: "readings",
  version: 2,
  fields,
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString();
    if (text === "") return "it is empty";
    return JSON.parse(text, (_, value) => (value === "2^64 − 1" ? 2n ** 64n - 1n : value));
  },
});

const read = openFormat(readings).readerOf(null);

/** The record, or why there is none. */
function decoded(bytes: string | Buffer, by = read): unknown {
  const value = Buffer.from(bytes);
  try {
    return { ...by(value, 0, value.length) };
  } catch (error) {
    return (error as Error).message;
  }
}

const record = { sensor: 1, at: 1_500, kind: "hot", values: [1.5] };

test("a decoder's record is read by the paths of the declared fields, in their units", () => {
  assert.deepEqual(
    layoutOf(readings).fields.map(({ name }) => name),
    ["sensor", "at", "place.room", "place.floor", "kind", "values"],
  );
  assert.deepEqual([...unitsOf(readings)], [["at", "us"]]);
  assert.equal(formatText(readings).heading, "decoder readings#2");
  const given = { ...record, sensor: "2^64 − 1", place: { room: "a", floor: -1 }, more: 1 };
  assert.deepEqual(decoded(JSON.stringify(given)), {
    sensor: 2n ** 64n - 1n,
    at: 1,
    "place.room": "a",
    "place.floor": -1,
    kind: "hot",
    values: [1.5],
  });
  const without = decoded(JSON.stringify(record)) as Record<string, unknown>;
  assert.equal(without["place.floor"], null);
});

test("a decoder that refuses, throws or gives something else makes a dead letter of that record", () => {
  const reasons: [string | Buffer, RegExp][] = [
    ["", /^it is empty$/],
    ["{", /JSON/],
    ["7", /^its decoder gives no record$/],
    [JSON.stringify({ ...record, sensor: 1.5 }), /^field "sensor" is 1.5, not integer$/],
    [JSON.stringify({ ...record, sensor: null }), /^field "sensor" is missing$/],
    [JSON.stringify({ ...record, place: { room: "a" } }), /^field "place.floor" is missing$/],
    [JSON.stringify({ ...record, kind: "warm" }), /^field "kind" is "warm", not enumeration$/],
    [JSON.stringify({ ...record, values: [null] }), /^field "values" is of type object, not list$/],
    [JSON.stringify({ ...record, at: "1" }), /^field "at" is "1", not timestamp$/],
  ];
  const later = decoder({
    ...{ name: "later", version: 1, fields },
    decode: (async () => record) as never,
  });
  assert.match(String(decoded("a", openFormat(later).readerOf(null))), /has to be synchronous/);
  for (const [bytes, reason] of reasons) assert.match(String(decoded(bytes)), reason);
  assert.equal(openFormat(readings).malformed, "MALFORMED_RECORD");
});

test("numbers of a decoder are any doubles, as those of Avro and Protobuf; others are told by what they are", () => {
  const given = [Number.NaN, Number.NEGATIVE_INFINITY, -0, 1n, Object.create(null)];
  const format = decoder({
    ...{ name: "given", version: 1, fields: { n: types.number(), d: types.decimal() } },
    decode: ([at]) => ({ n: given[at ?? 0], d: at === 2 ? Number.NaN : 0 }) as never,
  });
  const by = openFormat(format).readerOf(null);
  assert.deepEqual(decoded(Buffer.of(0), by), { n: Number.NaN, d: 0 });
  assert.deepEqual(decoded(Buffer.of(1), by), { n: Number.NEGATIVE_INFINITY, d: 0 });
  assert.equal(decoded(Buffer.of(2), by), 'field "d" is NaN, not decimal');
  assert.equal(decoded(Buffer.of(3), by), 'field "n" is the bigint 1, not number');
  assert.equal(decoded(Buffer.of(4), by), 'field "n" is of type object, not number');
});

test("a decoder is given the whole value, whatever it begins with", () => {
  const seen: number[] = [];
  const format = decoder({
    ...{ name: "raw", version: 1, fields: { n: types.integer() } },
    decode: (bytes) => ({ n: seen.push(bytes.length) }),
    encode: ({ n }) => Uint8Array.of(Number(n)),
  });
  assert.equal(openFormat(format).framing, "none");
  const by = openFormat(format).readerOf(null);
  for (const first of [0, 1, 7]) by(Buffer.alloc(20, first), 1, 20);
  assert.deepEqual(seen, [19, 19, 19]);
  const writer = new ByteWriter();
  formatWriter(format).write({ n: 9 }, writer);
  assert.deepEqual([...writer.take()], [9]);
  assert.throws(() => formatWriter(readings).write(record, writer), /has no encode/);
});

test("a decoder has a name and a version, and gives instants as numbers", () => {
  const decode = () => ({ n: 1 });
  const one = { fields: { n: types.integer() }, decode };
  assert.throws(() => decoder({ ...one, name: "", version: 1 }), /needs a name of letters/);
  assert.throws(() => decoder({ ...one, name: "a", version: 0 }), /version of decoder "a" is 0/);
  const iso = { fields: { at: types.timestamp("iso") }, decode: () => ({ at: 1 }) };
  assert.throws(() => decoder({ ...iso, name: "a", version: 1 }), /instants as numbers/);
});
