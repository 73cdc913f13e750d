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
  type RecordFormat,
  type Stream,
  topic,
  topology,
} from "millrace";
import type { Dispute, Payment } from "./schemas/generated.ts";

/** How the two topics are written: the topology is the same for all. */
export interface Formats {
  readonly payment: RecordFormat<Payment>;
  readonly dispute: RecordFormat<Dispute>;
}

/** Payments scored when they are made, by models that learn from what is disputed of them. */
export function cardPayments({ payment, dispute }: Formats) {
  const payments = from("payments", payment)
    .timedBy("paidAt", { lateness: "1m" })
    .partitionedBy("card")
    .identifiedBy("paymentId");
  const disputes = from("disputes", dispute)
    .timedBy("disputedAt", { lateness: "1m" })
    .partitionedBy("paymentId");

  const { card, terminal, risk } = views(payments, disputes);

  const predictions = payments
    .enrichedWith(
      { card: card.at("card"), terminal: terminal.at("terminal"), risk: risk.at("terminal") },
      { missing: "null", request: { amount: "amount" } },
    )
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.01) })
    .into(topic("payments.predictions"), offline);

  // Owners of cards dispute what is fraud within a week; what nobody disputes is none.
  const outcomes = predictions
    .labelledBy(disputes, {
      on: "paymentId",
      within: "7d",
      label: eq("reason", "FRAUD"),
      unlabelled: "negative",
    })
    .into(topic("payments.outcomes"), offline);

  // A first model after some days with labels, and another one every two weeks.
  const retraining = outcomes
    .watchedFor(
      drift.features({ over: "7d" }),
      drift.performance("auc", { over: "7d", floor: 0.7 }),
    )
    .retrainedWhen(any(noModel({ labels: 20_000 }), drifted("performance"), every("14d")), {
      cooldown: "7d",
    })
    .trainedBy(logisticRegression({ seed: 1 }), { over: "28d", trainingTime: "6h" });

  return topology("cards", { predictions, outcomes, retraining });
}

function views(payments: Stream<Payment, string>, disputes: Stream<Dispute, string>) {
  /** What is usual for a card. */
  const card = payments
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
  const terminal = payments
    .keyedBy("terminal")
    .over("1d", "7d", "30d")
    .compute({ payments: agg.count(), amountMean: agg.mean("amount") })
    .asFeatureView("terminal_use@1", { ttl: "60d" })
    .into(online, offline);

  /** What was disputed of it, as far as it is known. */
  const risk = disputes
    .keyedBy("terminal")
    .over("1d", "7d", "30d")
    .compute({ disputes: agg.count() })
    .asFeatureView("terminal_disputes@1", { ttl: "60d" })
    .into(online, offline);

  return { card, terminal, risk };
}
