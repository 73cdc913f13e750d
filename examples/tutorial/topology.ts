import {
  agg,
  any,
  drift,
  eq,
  every,
  from,
  gt,
  logisticRegression,
  noModel,
  offline,
  online,
  prior,
  topic,
  topology,
} from "millrace";
import { payment, report } from "./schemas/generated.ts";

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");

const reports = from("reports", report)
  .timedBy("reportedAt", { lateness: "1m" })
  .partitionedBy("paymentId");

/** What a card was used for in the last ten minutes, hour and day. */
export const cardSpending = payments
  .keyedBy("card")
  .over("10m", "1h", "24h")
  .compute({
    payments: agg.count(),
    amountSum: agg.sum("amount"),
    largest: agg.max("amount"),
    largeShare: agg.share(gt("amount", 100)),
  })
  .asFeatureView("card_spending@1", { ttl: "48h" })
  .into(online, offline);

/** How likely each payment is fraud, as soon as it is made. */
export const predictions = payments
  .enrichedWith(
    { card: cardSpending.at("card") },
    { missing: "null", request: { amount: "amount" } },
  )
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.02) })
  .into(topic("payments.predictions"), offline);

/** What came of it. */
export const outcomes = predictions
  .labelledBy(reports, { on: "paymentId", within: "24h", label: eq("fraud", true) })
  .into(topic("payments.outcomes"), offline);

/** A first model once there is enough to learn from, and a new one every two days. */
export const retraining = outcomes
  .watchedFor(drift.performance("auc", { over: "24h", floor: 0.7 }))
  .retrainedWhen(any(noModel({ labels: 5_000 }), every("2d")), { cooldown: "12h" })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "1h" });

export const shop = topology("shop", { predictions, outcomes, retraining });
