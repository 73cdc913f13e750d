import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "../../schemas/bytes.ts";
import { makesOneClass } from "../../schemas/hidden-class-fixture.ts";
import type { ScoringOperator } from "../../schemas/steps/scoring.ts";
import { loopPlan, partOf, RecordingOutbox, scoringOperator } from "../loop-fixture.ts";
import { type DeferredPrediction, ScoringOutputs } from "./outputs.ts";
import { VectorBuffer } from "./vector-buffer.ts";

const part = partOf(loopPlan(), "predictions");
const [predictions, outcomes, watchedPredictions, watchedOutcomes] = [0, 1, 2, 3];

function outputsOf(keyType: "long" | "string"): ScoringOutputs {
  const scoring = { ...scoringOperator.scoring, keyType };
  const operator: ScoringOperator = { ...scoringOperator, scoring };
  return new ScoringOutputs(part, operator, 0);
}

function vectors(...values: readonly number[]): VectorBuffer {
  const buffer = new VectorBuffer(values.length);
  buffer.values.set(values, buffer.add());
  return buffer;
}

function deferred(id: string, more: Partial<DeferredPrediction> = {}): DeferredPrediction {
  return {
    kind: "prediction",
    prediction: { id, predictedAt: 50, version: "v1", probability: 0.75, keys: null, told: null },
    eventTime: 48,
    sourcePartition: 2,
    sourceOffset: 77,
    featuresAsOf: 49,
    incomplete: false,
    row: 0,
    model: null,
    fallbackReason: null,
    latencyMs: 3,
    record: null,
    flags: null,
    routed: null,
    ...more,
  };
}

const idsOf = (keyType: "long" | "string", id: string) => {
  const out = new RecordingOutbox();
  const outputs = outputsOf(keyType);
  const { prediction } = deferred(id);
  outputs.prediction(deferred(id), vectors(1, 2, 3, 4, 5), out);
  const late = { kind: "outcome", knownAt: 60, label: 1, labelEventTime: 59 } as const;
  outputs.outcome({ ...late, prediction }, out);
  const values = out.written.flatMap(({ value }) => (value === null ? [] : [value]));
  const texts = out.written.flatMap(({ bytes }) =>
    bytes === null ? [] : [new ByteReader(bytes).text()],
  );
  return { ids: values.map((each) => (each as Record<string, unknown>)["flightId"]), texts };
};

test("an id of 64 bits is itself in predictions and outcomes, a number where that is exact", () => {
  for (const [text, id] of [
    ["7", 7],
    ["-3", -3],
    ["9007199254740991", 2 ** 53 - 1],
    ["9007199254740993", 9_007_199_254_740_993n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
  ] as const) {
    assert.deepEqual(idsOf("long", text), { ids: [id, id], texts: [text, text] });
  }
  assert.deepEqual(idsOf("string", "007").ids, ["007", "007"]);
});

test("a prediction says its features by name, null for NaN, and where its answer comes from", () => {
  const out = new RecordingOutbox();
  outputsOf("long").prediction(deferred("7"), vectors(1, Number.NaN, 3, 4, 12), out);
  const [published, watched] = out.written;
  assert.deepEqual([published?.output, published?.knownAt], [predictions, 50]);
  assert.deepEqual(published?.value, {
    flightId: 7,
    eventTime: 48,
    knownAt: 50,
    probability: 0.75,
    fallback: false,
    fallbackReason: null,
    model: "late",
    version: "v1",
    incomplete: false,
    latencyMs: 3,
    featuresAsOf: 49,
    sourcePartition: 2,
    sourceOffset: 77,
    features: {
      origin_flights_1h: 1,
      origin_flights_3h: null,
      inbound_flights_1h: 3,
      inbound_flights_3h: 4,
      hour: 12,
    },
  });
  assert.equal(watched?.output, watchedPredictions);
  const reader = new ByteReader(watched?.bytes as Buffer);
  assert.deepEqual([reader.text(), reader.text(), reader.f64()], ["7", "v1", 0.75]);
  assert.deepEqual(
    [reader.f64(), reader.f64(), reader.f64(), reader.f64(), reader.f64(), reader.done],
    [1, Number.NaN, 3, 4, 12, true],
  );
});

test("a fallback's prediction names no version but its reason, and no instant without a look-up", () => {
  const out = new RecordingOutbox();
  const prediction = {
    id: "7",
    predictedAt: 50,
    version: "",
    probability: 0.25,
    keys: null,
    told: null,
  };
  const more = {
    prediction,
    fallbackReason: "late",
    featuresAsOf: Number.NEGATIVE_INFINITY,
  } as const;
  outputsOf("long").prediction(deferred("7", more), vectors(1, 2, 3, 4, 5), out);
  const value = out.written[0]?.value as Record<string, unknown>;
  assert.deepEqual(
    ["fallback", "fallbackReason", "version", "featuresAsOf"].map((name) => value[name]),
    [true, "late", null, null],
  );
});

test("an outcome has the label that came, null for one that is unknown, and none when none came", () => {
  const { prediction } = deferred("7");
  for (const [label, labelEventTime, expected] of [
    [1, 59, { labelled: true, label: true, labelEventTime: 59 }],
    [0, 59, { labelled: true, label: false, labelEventTime: 59 }],
    [Number.NaN, 59, { labelled: true, label: null, labelEventTime: 59 }],
    [Number.NaN, Number.NaN, { labelled: false, label: null, labelEventTime: null }],
  ] as const) {
    const out = new RecordingOutbox();
    const outcome = { kind: "outcome", prediction, knownAt: 60, label, labelEventTime } as const;
    outputsOf("long").outcome(outcome, out);
    const [published, watched] = out.written;
    assert.deepEqual([published?.output, watched?.output], [outcomes, watchedOutcomes]);
    const value = published?.value as Record<string, unknown>;
    assert.deepEqual({ ...value, ...expected }, value);
    assert.deepEqual([value["predictedAt"], value["knownAt"], value["version"]], [50, 60, "v1"]);
  }
});

test("a routed step tells its watch whether a challenger answered, behind all else", () => {
  const routing = { by: "card", salt: "scores", segment: null };
  const scoring = { ...scoringOperator.scoring, routing };
  const routed = new ScoringOutputs(part, { ...scoringOperator, scoring }, 0);
  const late = { kind: "outcome", knownAt: 60, label: 1, labelEventTime: 59 } as const;
  const lastOf = (outputs: ScoringOutputs, role: string) => {
    const out = new RecordingOutbox();
    const { prediction: made } = deferred("7");
    const prediction = { ...made, told: { role } };
    outputs.prediction(deferred("7", { prediction }), vectors(1, 2, 3, 4, 5), out);
    outputs.outcome({ ...late, prediction }, out);
    const told = out.written.flatMap(({ bytes }) => (bytes === null ? [] : [Buffer.from(bytes)]));
    return { lengths: told.map(({ length }) => length), last: told.map((each) => each.at(-1)) };
  };
  const [plain, champion, challenger, fallback] = [
    lastOf(outputsOf("long"), "champion"),
    ...["champion", "challenger", "fallback"].map((role) => lastOf(routed, role)),
  ];
  assert.deepEqual(
    [champion?.last, challenger?.last, fallback?.last],
    [
      [0, 0],
      [1, 1],
      [0, 0],
    ],
  );
  assert.deepEqual(
    champion?.lengths,
    plain.lengths.map((length) => length + 1),
  );
});

test("what predictions and outcomes are told as has one hidden class", async () => {
  const outputs = outputsOf("long");
  const given = vectors(1, 2, 3, 4, 5);
  const { prediction: made } = deferred("7");
  const prediction = { ...made, told: { score: 0.5, rule: null } };
  const late = { kind: "outcome", knownAt: 60, label: 1, labelEventTime: 59 } as const;
  const madeBy = (write: (out: RecordingOutbox) => void) => () => {
    const out = new RecordingOutbox();
    write(out);
    return out.written[0]?.value ?? {};
  };
  for (const write of [
    (out: RecordingOutbox) => outputs.prediction(deferred("7"), given, out),
    (out: RecordingOutbox) => {
      outputs.prediction(deferred("7", { prediction }), given, out, { why: "no trees" });
    },
    (out: RecordingOutbox) => outputs.outcome({ ...late, prediction }, out),
  ]) {
    assert.ok(await makesOneClass(madeBy(write)));
  }
});
