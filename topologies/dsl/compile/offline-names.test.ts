import assert from "node:assert/strict";
import { test } from "node:test";
import { departure } from "../../flights/generated.ts";
import { agg } from "../aggregates.ts";
import { offline, online, topic } from "../roles.ts";
import { prior } from "../scoring.ts";
import { from } from "../stream.ts";
import { topology } from "../topology.ts";

const departures = from("departures", departure)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");

function viewOf(id: `${string}@${bigint}`, store: typeof offline | typeof online) {
  return departures
    .keyedBy("origin")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView(id, { ttl: "2h" })
    .into(store);
}

const predictions = departures
  .enrichedWith({}, { missing: "null", request: { distance: "distanceMiles" } })
  .scoredBy("late", { model: "@champion", deadline: "1s", fallback: prior(0.5) })
  .into(topic("predictions"), offline);

test("two things never have one name in the offline store", () => {
  const clash = (step: string, id: `${string}@${bigint}`) => () =>
    topology("t", { [step]: predictions, view: viewOf(id, offline) });
  assert.throws(clash("scores", "scores@1"), /view "scores": its "scores" in the offline store is/);
  assert.throws(
    clash("delays_v1", "delays@1"),
    /its "raw_delays_v1" .* is that of step "delays_v1"/,
  );
  assert.throws(clash("drift", "delays@1"), /step "drift": its "drift" .* is that of every/);
  assert.throws(clash("raw_models", "delays@1"), /step "raw_models": its "raw_models"/);
  clash("delays_v1", "delays@2")();
});

test("versions of a feature view share a name, and what stays online takes none", () => {
  const [one, two] = [viewOf("delays@1", offline), viewOf("delays@2", offline)];
  topology("t", { one, two, delays_v1: viewOf("scores@1", online), scores: predictions });
});
