import { json, types } from "millrace";
import { simulatedApplication } from "./simulated-application.ts";
import { cardPayments } from "./topology.ts";

const { text, number, timestamp, enumeration } = types;

/** The same application on topics of JSON, with times as ISO 8601. */
export const application = simulatedApplication(
  cardPayments({
    payment: json({
      paymentId: text(),
      paidAt: timestamp("iso"),
      card: text(),
      terminal: text(),
      country: text(),
      amount: number(),
    }),
    dispute: json({
      paymentId: text(),
      disputedAt: timestamp("iso"),
      terminal: text(),
      reason: enumeration("FRAUD"),
    }),
  }),
);
