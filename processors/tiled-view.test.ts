import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader } from "../schemas/bytes.ts";
import type { FeatureViewSpec } from "../schemas/feature-view.ts";
import { NaiveTiles } from "./naive-tiles-fixture.ts";
import type { Event } from "./naive-view-fixture.ts";
import { RecordingOutbox } from "./outbox-fixture.ts";
import {
  allKinds,
  answersOf,
  fireUpTo,
  run,
  type Step,
  servedRowsOf,
  snapshotOf,
  timeOf,
  viewProcessor,
} from "./view-run-fixture.ts";

const lengths = [90, 300, 1_000, 5_000];
/** Written down, not computed: 1 % or finer, whole ms, each a multiple of the one before. */
const sizes = [1, 3, 9, 45];
const view: FeatureViewSpec = {
  ...allKinds,
  windows: lengths.map((lengthMs) => ({ label: `${lengthMs}ms`, lengthMs })),
  exactLimit: 8,
};
const end = 1e9;

/** Streams whose keys pass the limit of 8 events both ways, with disorder and look-ups. */
function streams(maxLength: number): fc.Arbitrary<Step[]> {
  const draw = fc.record({
    gap: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 12 }) },
      { weight: 2, arbitrary: fc.integer({ min: 50, max: 900 }) },
      { weight: 1, arbitrary: fc.constantFrom(2_500, 4_900, 5_000, 5_044, 7_000) },
    ),
    key: fc.constantFrom("A", "A", "A", "B"),
    behind: fc.oneof(
      { weight: 4, arbitrary: fc.constant(0) },
      { weight: 4, arbitrary: fc.integer({ min: 0, max: 100 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 5_100 }) },
      { weight: 1, arbitrary: fc.constantFrom(89, 90, 299, 300, 991, 1_000, 4_999, 5_000) },
    ),
    delay: fc.oneof(fc.integer({ min: -3, max: 5 }), fc.constantFrom(0.1, -0.7, Number.NaN)),
    isLookup: fc.nat(4).map((die) => die === 0),
  });
  return fc.array(draw, { minLength: maxLength >>> 1, maxLength }).map((draws) => {
    let knownAt = 10_000;
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
}

function eventsOf(steps: readonly Step[]): Event[] {
  return steps.flatMap((step) => (step.kind === "update" ? [step.event] : []));
}

test("rows and answers of a view with a limit are those of its rules, across the limit both ways", () => {
  const seen = { up: 0, down: 0 };
  fc.assert(
    fc.property(streams(100), (steps) => {
      const out = new RecordingOutbox();
      const processor = viewProcessor(view);
      run(processor, steps, out);
      fireUpTo(processor, end, out);
      const rows = servedRowsOf(out);
      const naive = new NaiveTiles(view, sizes).run(steps, end);
      assert.deepEqual(rows, naive.rows);
      assert.deepEqual(
        answersOf(out).map(({ values }) => values),
        naive.answers,
      );
      rows.forEach(({ served, row }, i) => {
        const before = rows.slice(0, i).findLast((each) => each.row.key === row.key);
        if (before === undefined || before.served === served) return;
        if (served === 1) seen.up++;
        else if (!Number.isNaN(row.validUntil)) seen.down++;
      });
    }),
    { numRuns: 60 },
  );
  assert.ok(seen.up > 20 && seen.down > 5, `${seen.up} times up, ${seen.down} times down`);
});

/** How many of the numbers are in [from, q), and their extremes. */
function summary(known: readonly Event[], from: number): [number, number, number] {
  const included = known.filter(({ eventTime }) => eventTime >= from);
  const delays = included.map(({ delay }) => delay).filter((delay) => !Number.isNaN(delay));
  return [included.length, Math.min(...delays), Math.max(...delays)];
}

test("at any q a window w holds all of [q − w, q) and nothing from before q − 1.01 w", () => {
  fc.assert(
    fc.property(streams(120), (steps) => {
      const out = new RecordingOutbox();
      run(viewProcessor(view), steps, out);
      const lookups = steps.flatMap((step) => (step.kind === "lookup" ? [step] : []));
      for (const [i, answer] of answersOf(out).entries()) {
        const { key, knownAt: q } = lookups[i] as Step & { kind: "lookup" };
        const known = eventsOf(steps).filter((event) => event.key === key && event.knownAt < q);
        for (const [window, lengthMs] of lengths.entries()) {
          const column = (name: string) => {
            const aggregate = view.aggregates.findIndex((each) => each.name === name);
            return answer.values[aggregate * lengths.length + window] as number;
          };
          const [least, highMin, lowMax] = summary(known, q - lengthMs);
          const [most, lowMin, highMax] = summary(known, q - 1.01 * lengthMs);
          const events = column("count");
          assert.ok(events >= least && events <= most, `${events}: ${least} to ${most}`);
          if (Number.isNaN(column("min"))) assert.equal(highMin, Number.POSITIVE_INFINITY);
          else {
            assert.ok(column("min") >= lowMin && column("min") <= highMin);
            assert.ok(column("max") >= lowMax && column("max") <= highMax);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("a key that never passes the limit gives the same bytes whatever the limit", () => {
  fc.assert(
    fc.property(streams(40), (steps) => {
      const written = [40, 1_000_000].map((exactLimit) => {
        const out = new RecordingOutbox();
        const processor = viewProcessor({ ...view, exactLimit });
        run(processor, steps, out);
        fireUpTo(processor, end, out);
        return out.written;
      });
      assert.deepEqual(written[0], written[1]);
    }),
    { numRuns: 50 },
  );
});

test("tiled keys restored from a snapshot taken anywhere go on byte for byte", () => {
  fc.assert(
    fc.property(streams(100), fc.nat(), fc.constantFrom(1, 2, 8), (steps, draw, exactLimit) => {
      const at = steps.length === 0 ? 0 : draw % steps.length;
      const processor = viewProcessor({ ...view, exactLimit });
      run(processor, steps.slice(0, at), new RecordingOutbox());
      const state = snapshotOf(processor);
      const restored = viewProcessor({ ...view, exactLimit });
      restored.restore(new ByteReader(state));
      assert.ok(snapshotOf(restored).equals(state));
      const went = [processor, restored].map((each) => {
        const out = new RecordingOutbox();
        run(each, steps.slice(at), out);
        const midway = snapshotOf(each);
        fireUpTo(each, end, out);
        return { written: out.written, midway, state: snapshotOf(each) };
      });
      assert.deepEqual(went[0], went[1]);
    }),
    { numRuns: 60 },
  );
});

test("a hot key's state is bounded: three times the events do not make it larger", () => {
  const day = 24 * 3_600_000;
  const hot: FeatureViewSpec = {
    ...allKinds,
    windows: [
      { label: "1h", lengthMs: day / 24 },
      { label: "24h", lengthMs: day },
    ],
    exactLimit: 256,
  };
  const sizesOf = [20_000, 60_000].map((perDay) => {
    const steps: Step[] = [];
    for (let i = 0; i < perDay * 1.5; i++) {
      const knownAt = Math.floor((i * day) / perDay);
      steps.push({
        kind: "update",
        event: { key: "A", knownAt, eventTime: knownAt, delay: i % 7 },
      });
    }
    const processor = viewProcessor(hot);
    run(processor, steps, new RecordingOutbox());
    return snapshotOf(processor).length;
  });
  assert.ok((sizesOf[1] as number) < 1.05 * (sizesOf[0] as number), sizesOf.join(", "));
});
