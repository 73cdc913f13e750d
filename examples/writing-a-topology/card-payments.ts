import { recordSchema } from "../../schemas/record-schema.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { and, eq, gt } from "../../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

interface Payment {
  readonly paymentId: string;
  readonly paidAt: number;
  readonly card: string;
  readonly shop: string;
  readonly amount: number;
  readonly online: boolean;
}

const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  namespace: "payments",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "paidAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "shop", type: "string" },
    { name: "amount", type: "double" },
    { name: "online", type: "boolean" },
  ],
});

interface Dispute {
  readonly paymentId: string;
  readonly disputedAt: number;
  readonly upheld: boolean;
}

const dispute = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  namespace: "payments",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "disputedAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "upheld", type: "boolean" },
  ],
});

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "30s" })
  .partitionedBy("paymentId");
const disputes = from("disputes", dispute)
  .timedBy("disputedAt", { lateness: "1h" })
  .partitionedBy("paymentId");

const cardSpending = payments
  .keyedBy("card")
  .over("10m", "24h", "30d")
  .compute({
    payments: agg.count(),
    amountSum: agg.sum("amount"),
    amountDeviation: agg.stddev("amount"),
    smallest: agg.min("amount"),
    largest: agg.max("amount"),
    largeOnline: agg.share(and(gt("amount", 500), eq("online", true))),
  })
  .asFeatureView("card_spending@1", { ttl: "60d" })
  .into(online, offline);

const shopPrices = payments
  .keyedBy("shop")
  .over("7d")
  .compute({ median: agg.quantile("amount", 0.5) })
  .asFeatureView("shop_prices@1", { ttl: "14d", exactLimit: 1_000 })
  .into(offline);

const scores = payments
  .enrichedWith(
    { card: cardSpending.at("card"), shop: shopPrices.at("shop") },
    { missing: "null", request: { amount: "amount" } },
  )
  .scoredBy("dispute", { model: "@champion", deadline: "50ms", fallback: prior(0.001) })
  .into(topic("payments.scores"), offline);

const disputed = scores
  .labelledBy(disputes, { on: "paymentId", within: "90d", label: eq("upheld", true) })
  .into(topic("payments.disputed"), offline);

export const cardPayments = topology("payments", { scores, disputed }, { partitions: 12 });
export const cardFeatures = topology("card-features", { cardSpending, shopPrices });
