import assert from "node:assert/strict";
import { test } from "node:test";
import { offlineEncoders, offlineTables, offlineViews } from "../runtime/offline/tables.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { gt } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { logisticRegression } from "../topologies/dsl/training.ts";
import { noModel } from "../topologies/dsl/triggers.ts";
import { drift } from "../topologies/dsl/watch.ts";
import {
  arrival as arrivalSchema,
  departure as departureSchema,
} from "../topologies/flights/generated.ts";
import { topologyDriver } from "./topology-driver.ts";

const arrivals = from("arrivals", arrivalSchema)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const departures = from("departures", departureSchema)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const delays = arrivals
  .keyedBy("origin")
  .over("1h")
  .compute({ flights: agg.count() })
  .asFeatureView("delays@1", { ttl: "2h" })
  .into(online, offline);

/** Predictions of a model of its own, their outcomes, and the training that they lead to. */
function loop(model: string, trainingTime: "1h" | "2h") {
  const predictions = departures
    .enrichedWith({ origin: delays.at("origin") }, { missing: "null" })
    .scoredBy(model, { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic(`${model}.predictions`), offline);
  const outcomes = predictions
    .labelledBy(arrivals, { on: "flightId", within: "36h", label: gt("delayMinutes", 15) })
    .into(topic(`${model}.outcomes`), offline);
  const retraining = outcomes
    .watchedFor(drift.features({ over: "1h" }))
    .retrainedWhen(noModel({ labels: 1 }), { cooldown: "24h" })
    .trainedBy(logisticRegression({ seed: 1 }), {
      over: "4d",
      trainingTime,
      name: `${model}_training`,
    });
  return { predictions, outcomes, retraining };
}

const first = loop("late", "1h");
const second = loop("later", "2h");
const plan = topology("two", {
  late_predictions: first.predictions,
  late_outcomes: first.outcomes,
  late_retraining: first.retraining,
  later_predictions: second.predictions,
  later_outcomes: second.outcomes,
  later_retraining: second.retraining,
});

const nameOf = ({ name }: { readonly name: string }) => name;
const hour = 3_600_000;
const noon = Date.UTC(2001, 0, 1, 12);

test("a topic that several steps write to has one table, one view and one pump", () => {
  const topics = offlineEncoders(plan, createMemoryRegistry()).map(({ topic }) => topic);
  for (const names of [topics, offlineTables(plan).map(nameOf), offlineViews(plan).map(nameOf)]) {
    assert.deepEqual(names, [...new Set(names)]);
  }
});

test("two loops share their topics: each record is stored once, each training takes its time", async () => {
  const driver = topologyDriver(plan, { train: () => ({ promoted: true, reference: [] }) });
  const places = { origin: "JFK", destination: "ORD" };
  const local = { distanceMiles: 740, localHour: 6, localWeekday: 1 };
  driver.input("departures").send({ flightId: 1, departedAt: noon, ...places, ...local });
  driver
    .input("arrivals")
    .send({ flightId: 1, arrivedAt: noon + 2 * hour, ...places, delayMinutes: 40 });
  for (let hours = 3; hours <= 9; hours++) await driver.advanceTo(noon + hours * hour);
  for (const [name, output] of [
    ["models", "two.models"],
    ["drift", "two.drift"],
  ] as const) {
    const records = await driver.output(output).drain();
    assert.equal((await driver.offline(name)).length, records.length, name);
  }
  const models = (await driver.offline("models")).map((row) => [
    row["topology"],
    row["model"],
    row["version"],
    Number(row["effective_from"]) - Number(row["cutoff"]),
  ]);
  assert.deepEqual(models.sort(), [
    ["two", "late", "v1", 1 * hour],
    ["two", "later", "v1", 2 * hour],
  ]);
  await driver.close();
});
