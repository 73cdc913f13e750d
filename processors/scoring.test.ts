/*
 * Why long: one processor, whose every rule needs the same departures, arrivals and models.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { writeJson } from "../schemas/json-payload.ts";
import {
  drive,
  type LoopRecord,
  loopPlan,
  modelAnswer,
  partOf,
  RecordingOutbox,
  scoringOperator,
  settleBy,
  withinMs,
} from "./loop-fixture.ts";
import { ScoringProcessor } from "./scoring.ts";

const plan = loopPlan();
const part = partOf(plan, "predictions");
const make = () => new ScoringProcessor(scoringOperator, part);

interface Prediction {
  readonly flightId: number;
  readonly knownAt: number;
  readonly probability: number;
  readonly version: string | null;
  readonly featuresAsOf: number | null;
  readonly features: Record<string, number | null>;
}
interface Outcome {
  readonly flightId: number;
  readonly predictedAt: number;
  readonly knownAt: number;
  readonly label: boolean | null;
  readonly probability: number;
}

/** Look-up answers and their trigger; the features are made of the id and the instant. */
function departure(id: number, knownAt: number, writer = 0): LoopRecord[] {
  const answer = (slot: number): LoopRecord => ({
    input: "answers:delays@1",
    knownAt,
    write: (out) => {
      out.text(String(id));
      out.u8(slot);
      out.u8(0);
      out.f64(slot === 0 ? knownAt - 1 : Number.NEGATIVE_INFINITY);
      out.f64(id + slot);
      out.f64(slot === 0 ? knownAt : Number.NaN);
    },
  });
  const trigger: LoopRecord = {
    input: "triggers",
    knownAt,
    writer,
    write: (out) => {
      out.text(String(id));
      out.f64(knownAt - 2);
      out.f64(77);
      out.f64(12);
    },
  };
  return [answer(0), answer(1), trigger];
}

function arrival(id: number, knownAt: number, label: number, writer = 0): LoopRecord {
  return {
    input: "labels",
    knownAt,
    writer,
    write: (out) => {
      out.text(String(id));
      out.f64(knownAt - 1);
      out.f64(label);
    },
  };
}

function model(version: string, knownAt: number, promoted = true): LoopRecord {
  return {
    input: "models",
    knownAt,
    write: (out) => writeJson(out, modelAnswer({ version, promoted, effectiveFrom: knownAt })),
  };
}

const score = (vector: Float64Array, version: string) =>
  ((vector[0] as number) % 7) / 10 + Number(version.slice(1)) / 1000;

/** Runs the records, settling (and, at random, restoring from a snapshot) as `chance` says. */
function run(records: readonly LoopRecord[], until: number, chance: () => number = () => 0) {
  let processor = make();
  const out = new RecordingOutbox();
  const settle = () => settleBy(processor, out, score);
  drive(
    part,
    records,
    until,
    () => processor,
    out,
    () => {
      const drawn = chance();
      if (drawn < 0.6) settle();
      if (drawn >= 0.1) return;
      const snapshot = new ByteWriter();
      processor.snapshot(snapshot);
      processor = make();
      processor.restore(new ByteReader(snapshot.take()));
      const again = new ByteWriter();
      processor.snapshot(again);
      assert.deepEqual(again.take(), snapshot.take());
    },
  );
  settle();
  const published = <Value>(output: number) =>
    out.written.filter((each) => each.output === output).map(({ value }) => value as Value);
  return {
    predictions: published<Prediction>(0),
    outcomes: published<Outcome>(1),
    written: out.written,
    counters: processor.counters,
    processor,
  };
}

const tally = (result: ReturnType<typeof run>, branch: string, partition = 0) => {
  const counted = result.counters.get(branch)?.[partition];
  return [counted?.processed ?? 0, counted?.filtered ?? 0];
};

test("a prediction holds the answers in feature order, with the fallback until a model is in force", () => {
  const records = [...departure(1, 10), ...departure(2, 20), ...departure(3, 21), model("v1", 20)];
  const { predictions, written } = run(records, 22);
  assert.deepEqual(
    predictions.map(({ version, probability }) => [version, probability]),
    [
      [null, 0.25],
      [null, 0.25],
      ["v1", 0.301],
    ],
  );
  assert.deepEqual(written[0]?.value, {
    flightId: 1,
    eventTime: 8,
    knownAt: 10,
    probability: 0.25,
    fallback: true,
    fallbackReason: "no model",
    model: "late",
    version: null,
    incomplete: false,
    latencyMs: 0,
    featuresAsOf: 9,
    sourcePartition: 0,
    sourceOffset: 77,
    features: {
      origin_flights_1h: 1,
      origin_flights_3h: 10,
      inbound_flights_1h: 2,
      inbound_flights_3h: null,
      hour: 12,
    },
  });
});

test("a refused model changes nothing", () => {
  const { predictions } = run([model("v1", 5, false), ...departure(1, 10)], 11);
  assert.equal(predictions[0]?.version, null);
});

test("a label counts until just before the prediction's time is over", () => {
  const at = (knownAt: number) => run([...departure(1, 10), arrival(1, knownAt, 1)], 1_000);
  assert.equal(at(10 + withinMs - 1).outcomes[0]?.label, true);
  const late = at(10 + withinMs);
  assert.equal(late.outcomes[0]?.label, null);
  assert.equal(late.outcomes[0]?.knownAt, 10 + withinMs);
  assert.deepEqual(tally(late, "outcomes"), [0, 1]);
});

test("an early label is kept as long, and is filtered until a prediction claims it", () => {
  const at = (knownAt: number) => run([arrival(1, 10, 1), ...departure(1, knownAt)], 1_000);
  const claimed = at(10 + withinMs);
  assert.deepEqual(claimed.outcomes, [
    {
      flightId: 1,
      predictedAt: 110,
      knownAt: 110,
      labelled: true,
      label: true,
      labelEventTime: 9,
      probability: 0.25,
      fallback: true,
      model: "late",
      version: null,
    },
  ]);
  assert.deepEqual(tally(claimed, "outcomes"), [1, 0]);
  const missed = at(11 + withinMs);
  assert.equal(missed.outcomes[0]?.label, null);
  assert.deepEqual(tally(missed, "outcomes"), [0, 1]);
});

test("a second trigger of a key within the time is filtered before scoring", () => {
  const at = (knownAt: number) =>
    run([...departure(1, 10), arrival(1, 20, 0), ...departure(1, knownAt)], 1_000);
  assert.deepEqual(tally(at(10), "predictions"), [1, 1]);
  assert.deepEqual(tally(at(10 + withinMs), "predictions"), [1, 1]);
  const again = at(11 + withinMs);
  assert.deepEqual(tally(again, "predictions"), [2, 0]);
  assert.equal(again.predictions.length, 2);
});

const labelOf = ({ outcomes }: ReturnType<typeof run>) =>
  outcomes.map(({ predictedAt, knownAt, label }) => [predictedAt, knownAt, label]);

test("a label that was used serves no later prediction of its id, nor does it when it comes again", () => {
  const first = [...departure(1, 0), arrival(1, 30, 1)];
  const second = [...departure(1, 120), arrival(1, 150, 0)];
  const result = run([...first, arrival(1, 31, 1), ...second], 1_000);
  assert.deepEqual(labelOf(result), [
    [0, 30, true],
    [120, 150, false],
  ]);
  assert.deepEqual(tally(result, "outcomes"), [2, 1]);
});

test("a correction changes nothing, and serves no later prediction", () => {
  const first = [...departure(1, 0), arrival(1, 30, 1), arrival(1, 60, 0)];
  const result = run([...first, ...departure(1, 120), arrival(1, 150, 1)], 1_000);
  assert.deepEqual(labelOf(result), [
    [0, 30, true],
    [120, 150, true],
  ]);
});

test("a label that is too late for its prediction serves no later one", () => {
  const again = (label: number, at: number) =>
    run([...departure(1, 0), arrival(1, label, 1), ...departure(1, at)], 1_000);
  for (const [label, at] of [
    [withinMs, 120],
    [105, 120],
    [2 * withinMs, 2 * withinMs + 50],
  ] as const) {
    const result = again(label, at);
    assert.deepEqual(labelOf(result), [
      [0, withinMs, null],
      [at, at + withinMs, null],
    ]);
    assert.deepEqual(tally(result, "outcomes"), [0, 1]);
  }
  const forgotten = again(2 * withinMs + 1, 2 * withinMs + 50);
  assert.deepEqual(labelOf(forgotten).at(-1), [250, 250, true], "it is early for the next one");
});

test("an outcome without a label in time is false where the step takes it for that, and says so", () => {
  const { label } = scoringOperator;
  assert.ok(label);
  const assumed = { ...scoringOperator, label: { ...label, unlabelled: "negative" as const } };
  const processor = new ScoringProcessor(assumed, part);
  const out = new RecordingOutbox();
  const records = [...departure(1, 10), ...departure(2, 20), arrival(2, 30, 1)];
  drive(part, records, 1_000, () => processor, out);
  settleBy(processor, out, score);
  const outcomes = out.written.filter(({ output }) => output === 1).map(({ value }) => value);
  assert.deepEqual(
    outcomes.map((each) => {
      const { flightId, labelled, label, labelEventTime } = each as Record<string, unknown>;
      return [flightId, labelled, label, labelEventTime];
    }),
    [
      [2, true, true, 29],
      [1, false, false, null],
    ],
  );
});

test("a model that fails at ten rows in a row is put aside until the next one, however work is cut", () => {
  const failing = (id: number) => (id >= 3 && id <= 11) || id >= 13;
  const records = [
    model("v1", 5),
    ...Array.from({ length: 40 }, (_, id) => departure(id, 10 + id)).flat(),
    model("v2", 49),
    ...departure(40, 51),
  ];
  for (const every of [1, 7, 1_000]) {
    const processor = make();
    const out = new RecordingOutbox();
    let steps = 0;
    const settle = () =>
      settleBy(processor, out, ([id = 0], version) =>
        version === "v1" && failing(id) ? Number.NaN : 0.5,
      );
    drive(
      part,
      records,
      60,
      () => processor,
      out,
      () => {
        if (++steps % every === 0) settle();
      },
    );
    settle();
    const reasons = out.written
      .filter(({ output }) => output === 0)
      .map(({ value }) => (value as { fallbackReason: string | null }).fallbackReason);
    assert.deepEqual(reasons, [
      ...Array.from({ length: 40 }, (_, id) => {
        if (id >= 23) return "put aside";
        return failing(id) ? "failed" : null;
      }),
      null,
    ]);
  }
});

test("an unknown label is filtered and joins nothing", () => {
  const result = run([...departure(1, 10), arrival(1, 20, Number.NaN), arrival(1, 30, 0)], 1_000);
  assert.deepEqual(tally(result, "outcomes"), [1, 1]);
  assert.equal(result.outcomes[0]?.label, false);
});

test("a trigger without all its answers stops the task", () => {
  const [, , trigger] = departure(1, 10);
  assert.throws(() => run([trigger as LoopRecord], 11), { code: "ANSWER_MISSING" });
});

test("work without rows is still settled when something is deferred", () => {
  const processor = make();
  const out = new RecordingOutbox();
  drive(part, departure(1, 10), 11, () => processor, out);
  assert.equal(out.written.length, 0);
  const work = processor.takeWork();
  assert.equal(work?.payload.rows.length, 0);
  processor.settle(new ByteReader(Buffer.alloc(0)), out);
  assert.equal(out.written.length, 2);
  assert.equal(processor.takeWork(), null);
});

type Event =
  | {
      readonly kind: "departure";
      readonly id: number;
      readonly at: number;
      readonly writer: number;
    }
  | {
      readonly kind: "arrival";
      readonly id: number;
      readonly at: number;
      readonly writer: number;
      readonly label: number;
    };

/** From the definitions, with lists and searches alone. */
function oracle(events: readonly Event[], until: number) {
  const order = { departure: 0, arrival: 1 };
  const merged = events
    .map((event, i) => ({ event, i }))
    .sort(
      (a, b) => a.event.at - b.event.at || order[a.event.kind] - order[b.event.kind] || a.i - b.i,
    )
    .map(({ event }) => event);
  const accepted: { id: number; q: number; outcome: string | null }[] = [];
  const waiting: { id: number; at: number; label: number; used: boolean }[] = [];
  let duplicates = 0;
  let joined = 0;
  for (const event of merged) {
    if (event.kind === "departure") {
      const q = event.at;
      if (accepted.some((each) => each.id === event.id && q <= each.q + withinMs)) {
        duplicates++;
        continue;
      }
      const early = waiting.find(
        (each) => each.id === event.id && !each.used && q <= each.at + withinMs,
      );
      if (early) {
        early.used = true;
        joined++;
      }
      accepted.push({ id: event.id, q, outcome: early ? `${q} ${early.label === 1}` : null });
      continue;
    }
    if (Number.isNaN(event.label)) continue;
    const open = accepted.find(
      (each) => each.id === event.id && each.outcome === null && event.at < each.q + withinMs,
    );
    if (open) {
      open.outcome = `${event.at} ${event.label === 1}`;
      joined++;
    } else if (
      !accepted.some((each) => each.id === event.id && event.at <= each.q + 2 * withinMs) &&
      !waiting.some((each) => each.id === event.id && !each.used && event.at <= each.at + withinMs)
    ) {
      waiting.push({ id: event.id, at: event.at, label: event.label, used: false });
    }
  }
  const outcomes = accepted.flatMap(({ id, q, outcome }) => {
    if (outcome !== null) return [`${id} ${q} ${outcome}`];
    return q + withinMs < until ? [`${id} ${q} ${q + withinMs} null`] : [];
  });
  return { predictions: accepted.map(({ id, q }) => `${id} ${q}`), outcomes, duplicates, joined };
}

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant("departure" as const),
    id: fc.integer({ min: 1, max: 5 }),
    at: fc.integer({ min: 0, max: 80 }).map((step) => step * 10),
    writer: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({
    kind: fc.constant("arrival" as const),
    id: fc.integer({ min: 1, max: 5 }),
    at: fc.integer({ min: 0, max: 80 }).map((step) => step * 10),
    writer: fc.integer({ min: 0, max: 2 }),
    label: fc.constantFrom(0, 1, 1, Number.NaN),
  }),
);

test("predictions, outcomes and counters equal a naive join, however work is cut and restored", () => {
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 60 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 8, maxLength: 20 }),
      fc.integer({ min: 0, max: 100 }).map((step) => step * 10),
      (events, chances, extra) => {
        const until = 801 + extra;
        const records = [
          model("v1", 250),
          model("v2", 500),
          ...events.flatMap((each) =>
            each.kind === "departure"
              ? departure(each.id, each.at, each.writer)
              : [arrival(each.id, each.at, each.label, each.writer)],
          ),
        ];
        let drawn = 0;
        const result = run(records, until, () => chances[drawn++ % chances.length] as number);
        const expected = oracle(events, until);
        assert.deepEqual(
          result.predictions.map(({ flightId, knownAt }) => `${flightId} ${knownAt}`),
          expected.predictions,
        );
        assert.deepEqual(
          result.outcomes
            .map((each) => `${each.flightId} ${each.predictedAt} ${each.knownAt} ${each.label}`)
            .sort(),
          expected.outcomes.sort(),
        );
        const probabilityOf = (id: number, q: number) => {
          if (q <= 250) return 0.25;
          return (id % 7) / 10 + (q <= 500 ? 1 : 2) / 1000;
        };
        for (const each of result.predictions) {
          assert.equal(each.probability, probabilityOf(each.flightId, each.knownAt));
          assert.equal(each.features["origin_flights_3h"], each.knownAt);
        }
        for (const each of result.outcomes) {
          assert.equal(each.probability, probabilityOf(each.flightId, each.predictedAt));
        }
        const total = (branch: string) =>
          [0, 1, 2].reduce(
            (sum, partition) => {
              const [processed, filtered] = tally(result, branch, partition);
              return [(sum[0] as number) + (processed ?? 0), (sum[1] as number) + (filtered ?? 0)];
            },
            [0, 0],
          );
        const arrivals = events.filter(({ kind }) => kind === "arrival").length;
        assert.deepEqual(total("predictions"), [expected.predictions.length, expected.duplicates]);
        assert.deepEqual(total("outcomes"), [expected.joined, arrivals - expected.joined]);
      },
    ),
    { numRuns: 200 },
  );
});
