import { agg, from, gt, offline, online, topology } from "millrace";
import { payment } from "./schemas/generated.ts";

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
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

export const shop = topology("shop", { cardSpending });
