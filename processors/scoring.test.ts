import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "../schemas/bytes.ts";
import {
  drive,
  type LoopRecord,
  RecordingOutbox,
  scoringOperator,
  settleBy,
  withinMs,
} from "./loop-fixture.ts";
import { ScoringProcessor } from "./scoring.ts";
import { arrival, departure, make, model, part, run, score, tally } from "./scoring-fixture.ts";

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
