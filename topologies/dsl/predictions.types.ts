// What the compiler knows of features over predictions and outcomes. Never run: each line below an
// expectation must fail to compile, every other must compile.

import { arrival, departure } from "../flights/generated.ts";
import { agg } from "./aggregates.ts";
import { and, eq, gt } from "./conditions.ts";
import { offline, online, topic } from "./roles.ts";
import { blockList, override, threshold } from "./rules.ts";
import { prior } from "./scoring.ts";
import { from } from "./stream.ts";

const timed = { lateness: "10m" } as const;
const departures = from("departures", departure)
  .timedBy("departedAt", timed)
  .partitionedBy("flightId");
const arrivals = from("arrivals", arrival).timedBy("arrivedAt", timed).partitionedBy("flightId");
const view = arrivals
  .keyedBy("origin")
  .over("1h")
  .compute({ flights: agg.count() })
  .asFeatureView("delays@1", { ttl: "2h" })
  .into(online);
const predictions = departures
  .enrichedWith({ inBound: view.at("origin") }, { missing: "null" })
  .scoredBy("late", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
  .into(topic("predictions"), offline);
const outcomes = predictions
  .labelledBy(arrivals, { on: "flightId", within: "36h", label: gt("delayMinutes", 15) })
  .into(topic("outcomes"), offline);

// Features of predictions and outcomes: by their fields, features by their paths.
predictions
  .keyedBy("id", "model")
  .over("1h")
  .compute({ mean: agg.mean("features.in_bound_flights_1h"), top: agg.max("probability") });
outcomes
  .keyedBy("fallback")
  .over("1h")
  .compute({ right: agg.share(eq("label", true)) });
// Their verbs are those of streams; what look-ups were made under goes by its path.
predictions
  .where(gt("probability", 0.5))
  .dedupedBy("keys.origin", { within: "1h" })
  .keyedBy("keys.origin");
outcomes
  .select({ from: "keys.origin", right: eq("label", true), who: "model" })
  .where(eq("who", "late"))
  .keyedBy("from");
// @ts-expect-error the fallback has no version
predictions.keyedBy("version");
// @ts-expect-error fields of the record are known by their paths
predictions.keyedBy("origin");
// @ts-expect-error no look-up was made under the miles
outcomes.keyedBy("keys.distanceMiles");
// @ts-expect-error a test takes a field of the outcome
outcomes.where(gt("features.in_bound_flights_1h", 3));
// @ts-expect-error what was not selected is gone
outcomes.select({ who: "model" }).keyedBy("id");
// @ts-expect-error predictions are scored no second time
predictions.where(gt("probability", 0.5)).enrichedWith;
const byModel = predictions.keyedBy("model").over("1h");
// @ts-expect-error there is no such feature
byModel.compute({ mean: agg.mean("features.outbound") });
// @ts-expect-error predictions do not know what came of them
byModel.compute({ right: agg.share(eq("label", true)) });

// Rules know the fields of the record, its features by their paths, and the score.
const enriched = departures.enrichedWith({ inBound: view.at("origin") }, { missing: "null" });
const how = { model: "@champion", deadline: "20ms", fallback: prior(0.2) } as const;
enriched.scoredBy("late", {
  ...how,
  rules: [
    override("far", gt("distanceMiles", 2000), 0.5),
    override("busy", gt("features.in_bound_flights_1h", 100), 0.5),
    blockList("shut", "origin", ["SFO"], 1),
    threshold("far", 0.4, and(gt("distanceMiles", 2000), gt("probability", 0.1))),
    threshold("all", 0.5),
  ],
  ranges: { in_bound_flights_1h: { min: 0, outside: "flag" } },
});
// @ts-expect-error the record has no such field
enriched.scoredBy("late", { ...how, rules: [override("a", gt("distance", 1), 1)] });
// @ts-expect-error the vector has no such feature
enriched.scoredBy("late", { ...how, rules: [threshold("a", 1, gt("features.none", 1))] });
// @ts-expect-error airports are texts
enriched.scoredBy("late", { ...how, rules: [blockList("a", "origin", [7], 1)] });
// @ts-expect-error no such feature has a range
enriched.scoredBy("late", { ...how, ranges: { inBound: { min: 0, outside: "flag" } } });
// @ts-expect-error what is outside is flagged or refused
enriched.scoredBy("late", { ...how, ranges: { in_bound_flights_1h: { min: 0 } } });
predictions.where(eq("rule", "far")).keyedBy("model");
outcomes.where(eq("decision", true)).keyedBy("model");
