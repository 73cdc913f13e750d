import assert from "node:assert/strict";
import { test } from "node:test";
import avro from "avsc";
import { outcomeSchema, predictionSchema } from "./outputs.ts";
import type { AvroSchema } from "./plan.ts";
import type { LabelSpec } from "./steps/label.ts";
import type { ScoringSpec } from "./steps/scoring.ts";

const scoring: ScoringSpec = {
  name: "late-arrivals",
  source: "flights.departures",
  keyField: "flightId",
  keyType: "long",
  lookups: [],
  request: [{ name: "hour", field: "localHour", calendar: true }],
  features: ["hour", "distance"],
  model: { name: "late_arrival", alias: "champion" },
  deadlineMs: 20,
  fallback: { kind: "prior", value: 0.2 },
  topic: "predictions",
  stores: [],
};
const label: LabelSpec = {
  name: "outcomes",
  predictions: "late-arrivals",
  source: "flights.arrivals",
  keyField: "flightId",
  withinMs: 1,
  unlabelled: "unknown",
  label: { op: "gt", field: "delayMinutes", value: 15 },
  topic: "outcomes",
  stores: [],
};

/** The value after one trip through bytes. */
function trip(schema: AvroSchema, value: object): unknown {
  const type = avro.Type.forSchema(schema as unknown as avro.Schema, { wrapUnions: "never" });
  return JSON.parse(JSON.stringify(type.fromBuffer(type.toBuffer(value))));
}

test("a prediction of a model and one of the fallback fit the schema of predictions", () => {
  const schema = predictionSchema("flights-2001", scoring, "Number of the flight.");
  const prediction = {
    flightId: 2_999_999,
    eventTime: 978_307_200_000,
    knownAt: 978_307_200_000,
    probability: 0.25,
    fallback: false,
    fallbackReason: null,
    model: "late_arrival",
    version: "v1",
    incomplete: false,
    latencyMs: 0.5,
    featuresAsOf: 978_307_100_000,
    sourcePartition: 3,
    sourceOffset: 41,
    features: { hour: 7, distance: null },
  };
  assert.deepEqual(trip(schema, prediction), prediction);
  const none = { fallback: true, fallbackReason: "late", version: null, featuresAsOf: null };
  const fallback = { ...prediction, ...none };
  assert.deepEqual(trip(schema, fallback), fallback);
  assert.equal(schema.name, "LateArrivals");
  assert.equal(schema.namespace, "flights_2001");
});

test("a labelled and an unlabelled outcome fit the schema of outcomes", () => {
  const schema = outcomeSchema("flights", { ...scoring, keyType: "string" }, label, "");
  const outcome = {
    flightId: "UA 17",
    predictedAt: 978_307_200_000,
    knownAt: 978_310_800_000,
    labelled: true,
    label: false,
    labelEventTime: 978_310_800_000,
    probability: 0.25,
    fallback: false,
    model: "late_arrival",
    version: "v1",
  };
  assert.deepEqual(trip(schema, outcome), outcome);
  const unlabelled = { ...outcome, labelled: false, label: null, labelEventTime: null };
  assert.deepEqual(trip(schema, unlabelled), unlabelled);
});

test("every field of predictions and outcomes says what it is", () => {
  for (const schema of [
    predictionSchema("flights", scoring, ""),
    outcomeSchema("flights", scoring, label, ""),
  ]) {
    for (const { name, doc } of schema.fields) assert.ok(doc, `${schema.name}.${name}`);
  }
});
