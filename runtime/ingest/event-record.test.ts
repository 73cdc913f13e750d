import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../schemas/bytes.ts";
import { formatWriter, layoutOf, openFormat } from "../../schemas/formats/formats.ts";
import { json, protobuf } from "../../schemas/formats/kinds.ts";
import { type TimestampUnit, types } from "../../schemas/formats/types.ts";
import { recordReader } from "../predict/record-reader.ts";
import { EventMisfit, eventRecord } from "./event-record.ts";

const who = types.record({
  since: types.nullable(types.timestamp("s")),
  name: types.nullable(types.text()),
});
const read = eventRecord(
  json({
    ...{ id: types.integer(), at: types.timestamp("ms"), who, price: types.decimal() },
    ...{ ids: { type: "list", of: types.integer() }, kind: types.enumeration("a", "b") },
  }),
  ["id", "at", "who", "ids", "price", "kind", "labels"],
);
const plain = (value: unknown) => ({ ...(read(value) as object) });

test("times are ms or text with an offset, whole numbers exact, decimals also in quotes", () => {
  const who = Object.assign(Object.create(null), { since: 0, name: "a" });
  assert.deepEqual(
    plain({
      ...{ id: "9007199254740993", at: "2001-01-01T01:00:00.5+01:00", ids: ["1", 2] },
      ...{ who: { since: "1970-01-01T00:00Z", name: "a" }, price: "4.50" },
    }),
    { id: 9_007_199_254_740_993n, at: 978_307_200_500, ids: [1, 2], who, price: 4.5 },
  );
  assert.deepEqual(plain({ id: 5, at: 7, labels: { a: 1 } }), { id: 5, at: 7, labels: { a: 1 } });
});

test("what is inexact, no time or no field is refused with its place", () => {
  const refuses = (value: unknown, message: RegExp) => assert.throws(() => read(value), message);
  refuses({ id: 2 ** 53 }, /^Error: id is 9007199254740992, not a whole number \(beyond ±\(2\^53/);
  refuses({ ids: [1, 2 ** 60] }, /ids\[1\] is .*beyond.*write its digits as text/);
  refuses({ ids: [1, null] }, /ids\[1\] is null, not a whole number/);
  refuses({ ids: "1" }, /ids is "1", not a list, each a whole number/);
  refuses({ id: "5.5" }, /id is "5\.5", not a whole number/);
  refuses({ at: "2001-01-01" }, /at is "2001-01-01", not a time: write UTC ms/);
  refuses({ who: { since: "soon" } }, /who\.since is "soon", not a time/);
  refuses({ who: "me" }, /who is "me", not an object/);
  refuses({ who: { name: "\ud800" } }, /who\.name is .*half of a surrogate pair/);
  refuses({ price: "4,5" }, /price is "4,5", not a decimal: a number, or its digits in quotes/);
  refuses({ kind: "c" }, /kind is "c", not one of "a", "b"/);
  refuses({ idd: 1 }, /"idd" is no field of it \(did you mean id\?\)/);
  for (const value of [null, 3, "x", []]) refuses(value, /it is no JSON object/);
});

test("all that is wrong with a record is told at once, up to a bound", () => {
  assert.throws(
    () => read({ idd: 1, id: 1.5, at: "soon", who: { since: "later" } }),
    /"idd" is no field.*; id is 1\.5, not.*; at is "soon".*; who\.since is "later"/,
  );
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`strange${n}`, n]));
  assert.throws(() => read(many), /"strange7" is no field of it; and 42 more$/);
  const spec = json({ a: types.integer(), b: types.integer(), at: types.timestamp("ms") });
  const source = { layout: layoutOf(spec), format: spec, timeField: "at" };
  const record = recordReader(source, new Set(["a", "b"]), null);
  assert.throws(() => record({ a: "x", c: 1 }, 0), /"c" is no field.*; a is "x".*; b is missing$/);
});

test("whole numbers without a sign go to 2^64 − 1", () => {
  const proto = 'syntax = "proto3"; message M { uint64 large = 1; int64 small = 2; }';
  const record = eventRecord(protobuf({ message: "M", proto }));
  const most = 2n ** 64n - 1n;
  assert.equal(record({ large: String(most) })["large"], most);
  assert.throws(() => record({ large: String(most + 1n) }), /large is "18446.*beyond 64 bits/);
  assert.throws(() => record({ small: String(most) }), /small is "18446.*beyond 64 bits/);
});

test("names that objects have anyway are no fields", () => {
  assert.throws(() => read(JSON.parse('{"__proto__": 1}')), /"__proto__" is no field/);
  assert.throws(() => read({ constructor: 1 }), /"constructor" is no field/);
});

const fieldsWith = (unit: TimestampUnit) => {
  const each = {
    ...{ text: types.text(), integer: types.integer(), number: types.number() },
    ...{ decimal: types.decimal(), boolean: types.boolean(), timestamp: types.timestamp(unit) },
    enumeration: types.enumeration("a", "1"),
  };
  return {
    ...each,
    ...Object.fromEntries(
      Object.entries(each).map(([name, of]) => [`${name}s`, { type: "list", of } as const]),
    ),
    record: types.record({ inner: types.decimal(), perhaps: types.nullable(types.integer()) }),
    perhaps: types.nullable(types.record(each)),
  };
};
type Given = Record<string, unknown>;
const good: Given = {
  ...{ text: "t", integer: 1, number: 1.5, decimal: "1.5", boolean: true },
  ...{ timestamp: 5, enumeration: "a", record: { inner: 1 } },
  ...Object.fromEntries([...Object.keys(fieldsWith("ms"))].flatMap(listsOf)),
};
function listsOf(name: string): [string, unknown][] {
  return name.endsWith("s") && name !== "perhaps" ? [[name, []]] : [];
}

const digits = fc.oneof(
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String),
  fc.double().map(String),
  fc.integer().map((each) => `${each}.0`),
  fc.tuple(fc.integer(), fc.integer({ min: -30, max: 30 })).map(([a, b]) => `${a}e${b}`),
  fc.constantFrom("4.5", "+4.5", "-0", "007", ".5", "5.", " 1", "0x10", "", "NaN", "1e400", "1_0"),
);
const instant = fc
  .date({ min: new Date(0), max: new Date("9998-01-01T00:00Z"), noInvalidDate: true })
  .chain((date) => {
    const text = date.toISOString();
    const forms = [text, text.replace("Z", "+05:30"), text.replace("T", " "), text.slice(0, 19)];
    return fc.constantFrom(...forms, `${text.slice(0, 16)}Z`, text.slice(0, 10));
  });
const number = fc
  .oneof(fc.integer(), fc.double({ noNaN: true }), fc.maxSafeInteger())
  // A rounded one is refused, for the text that it came from is gone.
  .filter((each) => Number.isSafeInteger(each) || Math.abs(each) < 2 ** 53);
const scalar = fc.oneof(
  ...[digits, instant, number, fc.boolean(), fc.constantFrom("a", "1", "\ud800", "é", null)],
);
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.constant({}));
const names = Object.keys(fieldsWith("ms"));
const place = fc.oneof(
  fc.record({ name: fc.constantFrom(...names), value }),
  fc.record({ name: fc.constant("record"), value: fc.record({ inner: value, perhaps: value }) }),
  fc.record({ name: fc.constant("perhaps"), value: fc.constantFrom(null, good, { text: "t" }) }),
);

const outcome = (run: () => Given, isRefusal: (error: unknown) => boolean): Given | null => {
  try {
    return run();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return null;
  }
};

function isDated(value: unknown): boolean {
  return typeof value === "string" && /^\d{4}-/.test(value);
}

/** What a source makes of bytes; null: a dead letter. */
function sourceTakes(unit: TimestampUnit, text: string): Given | null {
  const bytes = Buffer.from(text);
  const reader = openFormat(json(fieldsWith(unit))).readerOf(null);
  return outcome(
    () => ({ ...reader(bytes, 0, bytes.length) }),
    (error) => error instanceof Error,
  );
}

/** What the source reads of what is written for an event; null: it is refused. */
function eventTakes(unit: TimestampUnit, event: unknown): Given | null {
  const format = json(fieldsWith(unit));
  const into = new ByteWriter();
  const written = outcome(
    () => {
      formatWriter(format).write(eventRecord(format)(event), into);
      return {};
    },
    (error) => error instanceof Error,
  );
  if (written === null) return null;
  const found = sourceTakes(unit, into.take().toString());
  assert.notEqual(found, null, "what is accepted can be read");
  return found;
}

function recordTakes(unit: TimestampUnit, record: unknown): Given | null {
  const format = json(fieldsWith(unit));
  const layout = layoutOf(format);
  const all = new Set(layout.fields.map((field) => field.name));
  const takes = recordReader({ layout, format, timeField: "recordTime" }, all, null);
  return outcome(
    () => takes(record, 0),
    (error) => error instanceof EventMisfit,
  );
}

test("an event, and a record to be scored, is taken exactly if a source of JSON takes it, as the same", () => {
  let [taken, refused] = [0, 0];
  fc.assert(
    fc.property(place, fc.constantFrom("ms", "iso", "s", "us", "ns"), (changed, unit) => {
      // In one list of an event both forms may stand; a source has one of them.
      fc.pre(
        changed.name !== "timestamps" || new Set([changed.value].flat().map(isDated)).size < 2,
      );
      const event = JSON.parse(JSON.stringify({ ...good, [changed.name]: changed.value }));
      const text = JSON.stringify(event, (_, each) => (Object.is(each, -0) ? 0 : each));
      // Of events an instant is in ms or a text, whatever the unit in which it is written.
      const dates = text.replace(/"timestamp":5/g, '"timestamp":"1970-01-01T00:00:00.005Z"');
      const wanted = sourceTakes("ms", text) ?? sourceTakes("iso", dates);
      if (wanted === null) refused++;
      else taken++;
      assert.deepEqual(recordTakes(unit, event), wanted, "a record to be scored");
      const instants = [
        wanted?.["timestamp"],
        wanted?.["timestamps"],
        wanted?.["perhaps.timestamp"],
      ];
      // Years beyond 9999 have no text.
      const hasText = instants.flat().every((ms) => Math.abs(Number(ms ?? 0)) < 2.5e14);
      if (unit !== "iso" || hasText) assert.deepEqual(eventTakes(unit, event), wanted, "an event");
    }),
    { numRuns: 3_000 },
  );
  assert.ok(taken > 150 && refused > 300, `${taken} taken, ${refused} refused`);
});
