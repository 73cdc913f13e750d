/** Views whose columns hold texts, booleans, whole numbers of 64 bits and instants. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader } from "../schemas/bytes.ts";
import type { Scalar } from "../schemas/expression.ts";
import { featureValues } from "../schemas/feature-values.ts";
import { type FeatureViewSpec, valueLayout } from "../schemas/feature-view.ts";
import { type FeatureRow, readRow } from "../schemas/row.ts";
import { RowCodec } from "../schemas/row-codec.ts";
import type { AggregateKind } from "./aggregate/aggregate.ts";
import { aggregateKinds } from "./aggregate/registry.ts";
import { naiveRows, naiveValues, type Row } from "./naive-view-fixture.ts";
import { RecordingOutbox, readerOf } from "./outbox-fixture.ts";
import { fireUpTo, run, type Step, snapshotOf, timeOf, viewProcessor } from "./view-run-fixture.ts";

const where = { op: "gt", field: "delay", value: 0 } as const;
const fields = { shop: "text", large: "integer", isNew: "boolean", seen: "timestamp" } as const;

const kinds = Object.values<AggregateKind>(aggregateKinds).flatMap(({ kind, ofValues }) =>
  ofValues === undefined ? [] : [kind],
);

/** Every kind that gives values, of a field of each type, of all events and of some. */
const view: FeatureViewSpec = {
  name: "delays",
  version: 1,
  source: "arrivals",
  keyFields: ["airport"],
  aggregates: [
    { name: "n", kind: "count", output: "count" },
    ...Object.entries(fields).flatMap(([field, output]) =>
      kinds.flatMap((kind) => [
        { name: `${kind}_${field}`, kind, field, output },
        { name: `${kind}_${field}_of`, kind, field, output, where },
      ]),
    ),
    { name: "last", kind: "last", output: "number", field: "delay" },
    { name: "sum", kind: "sum", output: "number", field: "delay" },
  ],
  windows: [
    { label: "5ms", lengthMs: 5 },
    { label: "20ms", lengthMs: 20 },
  ],
  ttlMs: 1_000,
  exactLimit: 4_096,
  stores: ["online"],
};

/** Texts whose UTF-16 and UTF-8 orders differ, the edges of 64 bits, and nulls. */
const values = fc.record({
  shop: fc.constantFrom<Scalar[]>("", "a", "B", "￿", "😀", "a\0", null),
  large: fc.constantFrom<Scalar[]>(0, -1, 2n ** 53n + 1n, 2n ** 64n - 1n, -(2n ** 63n), null),
  isNew: fc.constantFrom<Scalar[]>(true, false, null),
  seen: fc.constantFrom<Scalar[]>(0, 1_767_225_600_123, -5, null),
});

const streams: fc.Arbitrary<Step[]> = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 }), fc.constant(30)),
      key: fc.constantFrom("A", "B"),
      behind: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 24 })),
      delay: fc.oneof(fc.integer({ min: -2, max: 3 }), fc.constant(Number.NaN)),
      others: values,
      isLookup: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  .map((draws) => {
    let knownAt = 100;
    const steps = draws.map(({ gap, key, behind, delay, others, isLookup }): Step => {
      knownAt += gap;
      const event = { key, knownAt, eventTime: knownAt - behind, delay, others };
      return isLookup ? { kind: "lookup", key, knownAt } : { kind: "update", event };
    });
    return steps.sort(
      (a, b) => timeOf(a) - timeOf(b) || Number(a.kind === "update") - Number(b.kind === "update"),
    );
  });

/** Few events a key: tiles serve them, which in windows this short are as exact. */
const limits = [4_096, 3];

const orNull = (value: Scalar) => (Number.isNaN(value) ? null : value);

function rowsOf(out: RecordingOutbox): Row[] {
  return out.written
    .filter(({ output }) => output === 1)
    .map((written) => {
      const values = new Float64Array();
      const row: FeatureRow = { served: 0, asOf: 0, seq: 0, validUntil: 0, values };
      readRow(readerOf(written), row);
      const { asOf, seq, validUntil } = row;
      return { key: written.key, asOf, seq, validUntil, values: featureValues(view, row, asOf) };
    });
}

function eventsOf(steps: readonly Step[]) {
  return steps.flatMap((step) => (step.kind === "update" ? [step.event] : []));
}

for (const exactLimit of limits) {
  test(`rows hold values of each type, up to ${exactLimit} events exact`, () => {
    fc.assert(
      fc.property(streams, (steps) => {
        const out = new RecordingOutbox();
        const processor = viewProcessor({ ...view, exactLimit });
        run(processor, steps, out, view);
        fireUpTo(processor, 1e9, out);
        const expected = naiveRows(view, eventsOf(steps), 0);
        assert.deepEqual(
          rowsOf(out),
          expected.map((row) => ({ ...row, values: row.values.map(orNull) })),
        );
      }),
      { numRuns: 80 },
    );
  });

  test(`look-ups answer with the doubles, then the other values, up to ${exactLimit} events`, () => {
    fc.assert(
      fc.property(streams, (steps) => {
        const out = new RecordingOutbox();
        run(viewProcessor({ ...view, exactLimit }), steps, out, view);
        const asked = steps.flatMap((step) => (step.kind === "lookup" ? [step] : []));
        const answers = out.written.filter(({ output }) => output === 0);
        assert.equal(answers.length, asked.length);
        for (const [i, { key, knownAt }] of asked.entries()) {
          const reader = readerOf(answers[i] as (typeof answers)[number]);
          reader.text();
          reader.position += 1 + 1 + 8;
          const doubles = Array.from({ length: 6 }, () => orNull(reader.f64()));
          const rest = new RowCodec(valueLayout(view)).readValues(reader) as Scalar[];
          assert.ok(reader.done);
          const known = eventsOf(steps).filter(
            (each) => each.key === key && each.knownAt < knownAt && each.eventTime < knownAt,
          );
          const naive = naiveValues(view, known, knownAt).map(orNull);
          const [n, mine] = [naive.slice(0, 2), naive.slice(2, -4)];
          assert.deepEqual(doubles, [...n, ...naive.slice(-4)]);
          assert.deepEqual(rest, mine);
        }
      }),
      { numRuns: 80 },
    );
  });

  test(`a view of values restored anywhere goes on byte for byte, up to ${exactLimit} events`, () => {
    fc.assert(
      fc.property(streams, fc.nat(), (steps, draw) => {
        const at = steps.length === 0 ? 0 : draw % steps.length;
        const processor = viewProcessor({ ...view, exactLimit });
        run(processor, steps.slice(0, at), new RecordingOutbox(), view);
        const restored = viewProcessor({ ...view, exactLimit });
        const snapshot = new ByteReader(snapshotOf(processor));
        restored.restore(snapshot);
        assert.ok(snapshot.done);
        const went = [processor, restored].map((each) => {
          const out = new RecordingOutbox();
          run(each, steps.slice(at), out, view);
          fireUpTo(each, 1e9, out);
          return { written: out.written, state: snapshotOf(each) };
        });
        assert.deepEqual(went[0], went[1]);
      }),
      { numRuns: 60 },
    );
  });
}
