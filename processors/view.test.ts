import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { FeatureViewSpec } from "../schemas/feature-view.ts";
import { naiveRows, naiveValues, type Row, rounded, valuesAt } from "./naive-view-fixture.ts";
import { RecordingOutbox, readerOf, type Written } from "./outbox-fixture.ts";
import {
  allKinds,
  answersOf,
  fireUpTo,
  run,
  type Step,
  servedRowsOf,
  timeOf,
  viewProcessor,
} from "./view-run-fixture.ts";

const view: FeatureViewSpec = {
  ...allKinds,
  windows: [
    { label: "5ms", lengthMs: 5 },
    { label: "8ms", lengthMs: 8 },
    { label: "20ms", lengthMs: 20 },
  ],
  exactLimit: 4_096,
};
const keys = ["B", "A", "￿", "😀"];

/** Streams with ties, disorder, events that are over, nulls, and keys that fall silent. */
const streams: fc.Arbitrary<Step[]> = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 4 }), fc.constant(30)),
      key: fc.constantFrom(...keys),
      behind: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 24 })),
      delay: fc.oneof(
        fc.integer({ min: -3, max: 5 }),
        fc.constantFrom(0.1, 1e5 + 0.3, -0.7, Number.NaN),
      ),
      isLookup: fc.boolean(),
    }),
    { maxLength: 60 },
  )
  .map((draws) => {
    let knownAt = 100;
    const steps: Step[] = [];
    for (const { gap, key, behind, delay, isLookup } of draws) {
      knownAt += gap;
      const event = { key, knownAt, eventTime: knownAt - behind, delay };
      steps.push(isLookup ? { kind: "lookup", key, knownAt } : { kind: "update", event });
    }
    return steps.sort(
      (a, b) => timeOf(a) - timeOf(b) || Number(a.kind === "update") - Number(b.kind === "update"),
    );
  });

/** All of them exact: the keys stay below the limit. */
function rowsOf(out: RecordingOutbox): Row[] {
  return servedRowsOf(out).map(({ served, row }) => {
    assert.equal(served, 0);
    return row;
  });
}

test("every row says what the definition of continuous windows says, and nothing else is written", () => {
  fc.assert(
    fc.property(streams, (steps) => {
      const out = new RecordingOutbox();
      const processor = viewProcessor(view);
      run(processor, steps, out);
      fireUpTo(processor, 1e9, out);
      const events = steps.flatMap((step) => (step.kind === "update" ? [step.event] : []));
      assert.deepEqual(rowsOf(out), naiveRows(view, events, 0));
      const counted = processor.counters.get("delays@1")?.[2]?.processed ?? 0;
      assert.equal(counted, events.length);
    }),
    { numRuns: 150 },
  );
});

test("an expiry that is one millisecond off is noticed", () => {
  const noticed = fc.check(
    fc.property(streams, (steps) => {
      const out = new RecordingOutbox();
      const processor = viewProcessor(view);
      run(processor, steps, out);
      fireUpTo(processor, 1e9, out);
      const events = steps.flatMap((step) => (step.kind === "update" ? [step.event] : []));
      assert.deepEqual(rowsOf(out), naiveRows(view, events, 1));
    }),
    { numRuns: 60 },
  );
  assert.ok(noticed.failed);
});

test("a look-up at q sees what was known strictly before q, in windows [q − w, q)", () => {
  fc.assert(
    fc.property(streams, (steps) => {
      const out = new RecordingOutbox();
      run(viewProcessor(view), steps, out);
      const events = steps.flatMap((step) => (step.kind === "update" ? [step.event] : []));
      const lookups = steps.flatMap((step) => (step.kind === "lookup" ? [step] : []));
      const answers = out.written.filter(({ output }) => output === 0);
      assert.equal(answers.length, lookups.length);
      for (const [i, { key, knownAt }] of lookups.entries()) {
        const answer = answers[i] as Written;
        const reader = readerOf(answer);
        assert.equal(answer.knownAt, knownAt);
        assert.equal(reader.text(), "id-7");
        assert.equal(reader.u8(), 3);
        assert.equal(reader.u8(), 0);
        const asOf = reader.f64();
        const known = events.filter((event) => event.key === key && event.knownAt < knownAt);
        const live = known.some(({ eventTime }) => eventTime + 20 >= knownAt);
        const entered = known.filter((event) => event.eventTime + 20 > event.knownAt);
        if (live) assert.equal(asOf, Math.max(...entered.map((event) => event.knownAt)));
        else assert.equal(asOf, Number.NEGATIVE_INFINITY);
        const values: number[] = [];
        while (!reader.done) values.push(rounded(reader.f64()));
        const open = known.filter((event) => event.eventTime < knownAt);
        assert.deepEqual(values, valuesAt(view, naiveValues(view, open, knownAt), knownAt));
      }
    }),
    { numRuns: 150 },
  );
});

test("an answer names when the newest record came that entered a window, and nothing once all have left", () => {
  const processor = viewProcessor(view);
  const update = (knownAt: number, eventTime: number): Step => ({
    kind: "update",
    event: { key: "A", knownAt, eventTime, delay: 1 },
  });
  const lookup = (knownAt: number): Step => ({ kind: "lookup", key: "A", knownAt });
  const out = new RecordingOutbox();
  const late = [update(105, 86), lookup(106), lookup(107)];
  const over = [update(110, 90), lookup(111), lookup(120), lookup(121)];
  run(processor, [update(100, 100), ...late, ...over], out);
  // The late record has left at 106 and still says how fresh the key is; one that is over does not.
  assert.deepEqual(
    answersOf(out).map(({ knownAt, asOf }) => [knownAt, asOf]),
    [
      [106, 105],
      [107, 105],
      [111, 105],
      [120, 105],
      [121, Number.NEGATIVE_INFINITY],
    ],
  );
});

test("a view restored from a snapshot taken anywhere goes on byte for byte", () => {
  fc.assert(
    fc.property(streams, fc.nat(), fc.nat(3), (steps, draw, timers) => {
      const at = steps.length === 0 ? 0 : draw % steps.length;
      const processor = viewProcessor(view);
      run(processor, steps.slice(0, at), new RecordingOutbox());
      for (let i = 0; i < timers && at > 0; i++) {
        const due = processor.nextTimer();
        const next = steps[at] as Step;
        if (due > timeOf(next) - (next.kind === "lookup" ? 1 : 0)) break;
        processor.onTimer(due, new RecordingOutbox());
      }
      const before = new ByteWriter();
      processor.snapshot(before);
      const restored = viewProcessor(view);
      restored.restore(new ByteReader(before.take()));
      const went = [processor, restored].map((each) => {
        const out = new RecordingOutbox();
        run(each, steps.slice(at), out);
        fireUpTo(each, 1e9, out);
        const after = new ByteWriter();
        each.snapshot(after);
        return { written: out.written, state: after.take() };
      });
      assert.deepEqual(went[0], went[1]);
    }),
    { numRuns: 120 },
  );
});

test("look-ups leave no trace in the state", () => {
  fc.assert(
    fc.property(streams, (steps) => {
      const end = Math.max(0, ...steps.map(timeOf));
      const states = [steps, steps.filter(({ kind }) => kind === "update")].map((some) => {
        const processor = viewProcessor(view);
        run(processor, some, new RecordingOutbox());
        fireUpTo(processor, end, new RecordingOutbox());
        const state = new ByteWriter();
        processor.snapshot(state);
        return state.take();
      });
      assert.deepEqual(states[0], states[1]);
    }),
    { numRuns: 60 },
  );
});

test("a key whose events have all left is forgotten once its instant has passed", () => {
  const processor = viewProcessor(view);
  const out = new RecordingOutbox();
  const update = (key: string, knownAt: number): Step => ({
    kind: "update",
    event: { key, knownAt, eventTime: knownAt, delay: 1 },
  });
  run(processor, [update("A", 100), update("A", 120), update("B", 141)], out);
  assert.deepEqual(
    rowsOf(out).map(({ key, asOf, seq }) => `${key} ${asOf} ${seq}`),
    [
      "A 100 0",
      "A 105 0",
      "A 108 0",
      "A 120 0",
      "A 120 1",
      "A 125 0",
      "A 128 0",
      "A 140 0",
      "B 141 0",
    ],
  );
  const state = new ByteWriter();
  processor.snapshot(state);
  const text = state.take().toString("latin1");
  assert.ok(text.includes("\u0001\u0000B") && !text.includes("\u0001\u0000A"));
});
