import { agg } from "../dsl/aggregates.ts";
import { gt } from "../dsl/conditions.ts";
import { calendar } from "../dsl/enrichment.ts";
import { offline, online, topic } from "../dsl/roles.ts";
import { prior } from "../dsl/scoring.ts";
import { from } from "../dsl/stream.ts";
import { topology } from "../dsl/topology.ts";
import { logisticRegression } from "../dsl/training.ts";
import { any, drifted, every, labels, noModel } from "../dsl/triggers.ts";
import { drift } from "../dsl/watch.ts";
import { arrival, departure } from "./generated.ts";

const arrivals = from("flights.arrivals", arrival)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const departures = from("flights.departures", departure)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");

const delays = {
  flights: agg.count(),
  delayMean: agg.mean("delayMinutes"),
  delayP90: agg.quantile("delayMinutes", 0.9),
  lateShare: agg.share(gt("delayMinutes", 15)),
};
const windows = ["15m", "1h", "3h", "24h"] as const;

export const originDelays = arrivals
  .keyedBy("origin")
  .over(...windows)
  .compute(delays)
  .asFeatureView("origin_delays@1", { ttl: "48h" })
  .into(online, offline);
export const destinationDelays = arrivals
  .keyedBy("destination")
  .over(...windows)
  .compute(delays)
  .asFeatureView("destination_delays@1", { ttl: "48h" })
  .into(online, offline);
export const routeDelays = arrivals
  .keyedBy("origin", "destination")
  .over(...windows)
  .compute(delays)
  .asFeatureView("route_delays@1", { ttl: "48h" })
  .into(online, offline);
export const originTraffic = departures
  .keyedBy("origin")
  .over("15m", "1h", "3h")
  .compute({ departures: agg.count() })
  .asFeatureView("origin_traffic@1", { ttl: "48h" })
  .into(online, offline);

export const predictions = departures
  .enrichedWith(
    {
      origin: originDelays.at("origin"),
      inbound: destinationDelays.at("origin"),
      destination: destinationDelays.at("destination"),
      route: routeDelays.at("origin", "destination"),
      traffic: originTraffic.at("origin"),
    },
    {
      missing: "null",
      request: {
        hour: calendar("localHour"),
        weekday: calendar("localWeekday"),
        distance: "distanceMiles",
      },
    },
  )
  .scoredBy("late_arrival", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
  .into(topic("flights.predictions"), offline);

export const outcomes = predictions
  .labelledBy(arrivals, { on: "flightId", within: "36h", label: gt("delayMinutes", 15) })
  .into(topic("flights.outcomes"), offline);

export const retraining = outcomes
  .watchedFor(
    drift.features({ over: "24h" }),
    drift.performance("auc", { over: "24h", floor: 0.65 }),
  )
  .retrainedWhen(
    any(noModel({ labels: 20_000 }), drifted("performance"), every("4d"), labels(200_000)),
    {
      cooldown: "24h",
    },
  )
  .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "6h" });

export const flights = topology("flights", { predictions, outcomes, retraining });
