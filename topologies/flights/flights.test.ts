import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../schemas/package-root.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { describe } from "../dsl/describe.ts";
import { topology } from "../dsl/topology.ts";
import { flights, outcomes, predictions, retraining } from "./flights.ts";

test("the description of flights is the golden text (GOLDEN=write renews it)", () => {
  const golden = join(packageRoot(), "topologies/flights/describe.golden.txt");
  if (process.env["GOLDEN"] === "write") writeFileSync(golden, describe(flights));
  assert.equal(describe(flights), readFileSync(golden, "utf8"));
});

test("flights built twice, or with its steps in another order, is the same plan", () => {
  const again = topology("flights", { retraining, outcomes, predictions });
  assert.deepEqual(again, flights);
  assert.equal(again.fingerprint, flights.fingerprint);
});

test("the feature vector of flights has 70 names in the order of the slots", () => {
  const [scoring] = stepsOf(flights, "scoring");
  assert.ok(scoring);
  assert.equal(scoring.features.length, 70);
  assert.deepEqual(scoring.features.slice(0, 5), [
    "origin_flights_15m",
    "origin_flights_1h",
    "origin_flights_3h",
    "origin_flights_24h",
    "origin_delay_mean_15m",
  ]);
  assert.deepEqual(scoring.features.slice(64), [
    "traffic_departures_15m",
    "traffic_departures_1h",
    "traffic_departures_3h",
    "distance",
    "hour",
    "weekday",
  ]);
});
