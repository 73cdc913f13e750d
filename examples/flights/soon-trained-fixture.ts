/** Flights whose first model comes after hours of them, not after a day and a half. */
import { topology } from "../../topologies/dsl/topology.ts";
import { logisticRegression } from "../../topologies/dsl/training.ts";
import { any, drifted, every, noModel } from "../../topologies/dsl/triggers.ts";
import { drift } from "../../topologies/dsl/watch.ts";
import { outcomes, predictions } from "../../topologies/flights/flights.ts";
import flightsApplication from "./app.ts";

/** As that of flights, but for its times: no window is too small for the hours of a test. */
const retraining = outcomes
  .watchedFor(drift.features({ over: "4h" }), drift.performance("auc", { over: "4h", floor: 0.4 }))
  .retrainedWhen(any(noModel({ labels: 2_000 }), drifted("performance"), every("4d")), {
    cooldown: "24h",
  })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "30m" });

export const soonTrained = topology("flights", { predictions, outcomes, retraining });

// biome-ignore lint/style/noDefaultExport: the command loads an application so.
export default { ...flightsApplication, topologies: [soonTrained] };
