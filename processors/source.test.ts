import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Ports, SourceSpec } from "../schemas/plan.ts";
import type { RouteField, RouteSpec } from "../schemas/route.ts";
import { RecordingOutbox, readerOf, type Written } from "./outbox-fixture.ts";
import { SourceProcessor } from "./source.ts";

const partitions = 4;
const source: SourceSpec = {
  topic: "flights",
  format: { kind: "avro", schema: { type: "record", name: "Flight", fields: [] } },
  layout: { fields: [] },
  timeField: "at",
  latenessMs: 10,
  partitionField: "flightId",
  repartitioned: false,
};
/** Only what a source processor reads of its ports. */
const ports = {
  name: "flights",
  partitions,
  outputs: [
    { kind: "inbox", to: "v@1", fanOut: "key", partitions },
    { kind: "inbox", to: "wide", fanOut: "key", partitions: 7 },
    { kind: "inbox", to: "predictions", fanOut: "same", partitions },
    { kind: "inbox", to: "predictions", fanOut: "same", partitions },
  ],
} as unknown as Ports;
const [key, time] = [{ from: "key" }, { from: "time" }] as const;
const late = { op: "gt", field: "delay", value: 15 } as const;
const delay: RouteField = { from: "number", input: { field: "delay" } };
const isLate: RouteField = { from: "number", input: { condition: late } };
const lookup = (output: number, slot: number, keys: readonly string[]): RouteSpec => ({
  what: "look-up",
  output,
  key: keys,
  fields: [key, { from: "byte", value: slot }, { from: "text", field: "flightId" }],
  counted: null,
});
const routes: readonly RouteSpec[] = [
  lookup(0, 0, ["origin"]),
  lookup(1, 1, ["origin", "destination"]),
  {
    what: "trigger",
    output: 2,
    key: ["flightId"],
    fields: [key, time, { from: "offset" }, { from: "number", input: { field: "miles" } }, delay],
    counted: "predictions",
  },
  {
    what: "update",
    output: 1,
    key: ["origin", "destination"],
    fields: [key, time, delay, isLate],
    counted: "routes@2",
  },
  {
    what: "label",
    output: 3,
    key: ["flightId"],
    fields: [key, time, isLate],
    counted: "outcomes",
  },
];

const others = { filtered: 0, excluded: 0, duplicates: 0 };

const flightId = 7;
const partition = partitionOf(String(flightId), partitions);
const far = Number.POSITIVE_INFINITY;

function flight(at: unknown, delay: number | null = 20): Record<string, unknown> {
  return { flightId, at, origin: "SFO", destination: "J|FK", delay, miles: 2_586 };
}

function accept(processor: SourceProcessor, at: number, out = new RecordingOutbox()) {
  return processor.accept(flight(at), String(flightId), 41, far, out);
}

function make(): SourceProcessor {
  return new SourceProcessor({ source, routes }, ports, partition);
}

function countersOf(processor: SourceProcessor) {
  return ["predictions", "routes@2", "outcomes"].map(
    (branch) => processor.counters.get(branch)?.[partition],
  );
}

test("an accepted record writes its look-ups, trigger, update and label, stamped with its known-at", () => {
  const out = new RecordingOutbox();
  const processor = make();
  processor.advanceTo(1_005);
  assert.equal(accept(processor, 1_000, out), "accepted");
  assert.ok(out.written.every(({ knownAt }) => knownAt === 1_005));
  assert.deepEqual(
    out.written.map(({ output, partition: to }) => [output, to]),
    [
      [0, partitionOf("SFO", 4)],
      [1, partitionOf("SFO|J\\|FK", 7)],
      [2, partition],
      [1, partitionOf("SFO|J\\|FK", 7)],
      [3, partition],
    ],
  );
  const [origin, route, trigger, update, label] = out.written.map((each: Written) =>
    readerOf(each),
  );
  assert.deepEqual(
    [origin?.text(), origin?.u8(), origin?.text(), origin?.done],
    ["SFO", 0, "7", true],
  );
  assert.deepEqual([route?.text(), route?.u8(), route?.text()], ["SFO|J\\|FK", 1, "7"]);
  assert.deepEqual([trigger?.text(), trigger?.f64(), trigger?.f64()], ["7", 1_000, 41]);
  assert.deepEqual([trigger?.f64(), trigger?.f64(), trigger?.done], [2_586, 20, true]);
  assert.deepEqual([update?.text(), update?.f64()], ["SFO|J\\|FK", 1_000]);
  assert.deepEqual([update?.f64(), update?.f64(), update?.done], [20, 1, true]);
  assert.deepEqual([label?.text(), label?.f64(), label?.f64()], ["7", 1_000, 1]);
});

test("null is written as NaN, and a condition over null is unknown", () => {
  const out = new RecordingOutbox();
  make().accept(flight(1_000, null), "7", 0, far, out);
  const update = readerOf(out.written[3] as Written);
  update.text();
  assert.deepEqual([update.f64(), update.f64(), update.f64()], [1_000, Number.NaN, Number.NaN]);
});

test("known-at is the highest event time so far; what is older than it by more than the lateness is late", () => {
  const processor = make();
  assert.equal(accept(processor, 1_000), "accepted");
  assert.equal(accept(processor, 990), "accepted");
  assert.equal(accept(processor, 989), "late");
  assert.equal(processor.streamTime, 1_000);
  processor.advanceTo(1_001);
  processor.advanceTo(5);
  assert.equal(accept(processor, 990), "late");
  for (const tally of countersOf(processor)) {
    assert.deepEqual(tally, { in: 4, processed: 0, late: 2, deadLettered: 0, ...others });
  }
});

test("a record that cannot stand where it does is refused, counted, and moves no time", () => {
  const processor = make();
  const out = new RecordingOutbox();
  const judge = (record: Record<string, unknown>, key: string | null, latest = far) =>
    processor.accept(record, key, 0, latest, out);
  const other = [1, 2, 3, 4, 5].find((id) => partitionOf(String(id), 4) !== partition);
  assert.equal(judge(flight(1_000), null), "NULL_KEY");
  assert.equal(judge(flight(1_000), "8"), "KEY_MISMATCH");
  assert.equal(judge({ ...flight(1_000), flightId: other }, String(other)), "WRONG_PARTITION");
  for (const at of [null, undefined, -1, 0, 0.5, Number.NaN, 2 ** 53, "1000"]) {
    assert.equal(judge(flight(at), "7"), "EVENT_TIME_MISSING");
  }
  assert.equal(judge(flight(1_001), "7", 1_000), "EVENT_TIME_AHEAD");
  assert.equal(judge(flight(1_000), "7", 1_000), "accepted");
  processor.reject();
  assert.equal(processor.streamTime, 1_000);
  assert.equal(out.written.length, 5);
  for (const tally of countersOf(processor)) {
    assert.deepEqual(tally, { in: 14, processed: 0, late: 0, deadLettered: 13, ...others });
  }
});

test("a source restored from a snapshot taken anywhere goes on as it would have", () => {
  const times = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 30 });
  fc.assert(
    fc.property(times, times, (before, after) => {
      const processor = make();
      for (const at of before) accept(processor, at);
      const writer = new ByteWriter();
      processor.snapshot(writer);
      const restored = make();
      restored.restore(new ByteReader(writer.take()));
      const went = [processor, restored].map((each) => {
        const out = new RecordingOutbox();
        const verdicts = after.map((at) => accept(each, at, out));
        return { verdicts, written: out.written, streamTime: each.streamTime };
      });
      assert.deepEqual(went[0], went[1]);
      assert.deepEqual(processor.counters, restored.counters);
    }),
    { numRuns: 50 },
  );
});
