// Written by `millrace generate` from schemas/payment.avsc. Change those instead.

import { type RecordSchema, recordSchema } from "millrace";

/** A card was charged. */
export interface Payment {
  /** Number of the payment, and key of the record. */
  readonly paymentId: string;
  /** Event time, UTC. */
  readonly paidAt: number;
  readonly card: string;
  /** In the currency of the account. */
  readonly amount: number;
}

/** Avro schema of {@link Payment}. */
export const payment: RecordSchema<Payment> = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  namespace: "shop",
  doc: "A card was charged.",
  fields: [
    {
      name: "paymentId",
      type: "string",
      doc: "Number of the payment, and key of the record."
    },
    {
      name: "paidAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Event time, UTC."
    },
    {
      name: "card",
      type: "string"
    },
    {
      name: "amount",
      type: "double",
      doc: "In the currency of the account."
    }
  ]
});
