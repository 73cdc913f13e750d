import {
  agg,
  any,
  drift,
  drifted,
  eq,
  every,
  from,
  logisticRegression,
  noModel,
  offline,
  online,
  prior,
  topic,
  topology,
} from "millrace";
import { dispute, payment } from "./schemas/generated.ts";

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("card")
  .identifiedBy("paymentId");

const disputes = from("disputes", dispute)
  .timedBy("disputedAt", { lateness: "1m" })
  .partitionedBy("paymentId");

/** What is usual for a card. */
export const cardSpending = payments
  .keyedBy("card")
  .over("1d", "7d", "30d")
  .compute({
    payments: agg.count(),
    amountMean: agg.mean("amount"),
    largest: agg.max("amount"),
  })
  .asFeatureView("card_spending@1", { ttl: "60d" })
  .into(online, offline);

/** What is paid at a terminal. */
export const terminalUse = payments
  .keyedBy("terminal")
  .over("1d", "7d", "30d")
  .compute({ payments: agg.count(), amountMean: agg.mean("amount") })
  .asFeatureView("terminal_use@1", { ttl: "60d" })
  .into(online, offline);

/** What was disputed of it, as far as it is known. */
export const terminalDisputes = disputes
  .keyedBy("terminal")
  .over("1d", "7d", "30d")
  .compute({ disputes: agg.count() })
  .asFeatureView("terminal_disputes@1", { ttl: "60d" })
  .into(online, offline);

/** How likely each payment is fraud, as soon as it is made. */
export const predictions = payments
  .enrichedWith(
    {
      card: cardSpending.at("card"),
      terminal: terminalUse.at("terminal"),
      risk: terminalDisputes.at("terminal"),
    },
    { missing: "null", request: { amount: "amount" } },
  )
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.01) })
  .into(topic("payments.predictions"), offline);

/** Owners of cards dispute what is fraud within a week; what nobody disputes is none. */
export const outcomes = predictions
  .labelledBy(disputes, {
    on: "paymentId",
    within: "7d",
    label: eq("reason", "FRAUD"),
    unlabelled: "negative",
  })
  .into(topic("payments.outcomes"), offline);

/** A first model after some days with labels, and another one every two weeks. */
export const retraining = outcomes
  .watchedFor(drift.features({ over: "7d" }), drift.performance("auc", { over: "7d", floor: 0.7 }))
  .retrainedWhen(any(noModel({ labels: 10_000 }), drifted("performance"), every("14d")), {
    cooldown: "7d",
  })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "28d", trainingTime: "6h" });

export const cards = topology("cards", { predictions, outcomes, retraining });
