// Written by `millrace generate` from schemas/dispute.avsc schemas/payment.avsc. Change those instead.

import { type RecordSchema, recordSchema } from "millrace";

export type Reason = "FRAUD";

/** The owner of a card disputes a payment: days later, and of fraud alone. */
export interface Dispute {
  /** Key of the record. */
  readonly paymentId: string;
  /** Event time, UTC. */
  readonly disputedAt: number;
  /** Where the payment was made. */
  readonly terminal: string;
  readonly reason: Reason;
}

/** A card was charged at a terminal. */
export interface Payment {
  readonly paymentId: string;
  /** Event time, UTC. */
  readonly paidAt: number;
  /** Key of the record. */
  readonly card: string;
  readonly terminal: string;
  /** Where the terminal stands. */
  readonly country: string;
  /** In the currency of the account. */
  readonly amount: number;
}

/** Avro schema of {@link Dispute}. */
export const dispute: RecordSchema<Dispute> = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  namespace: "cards",
  doc: "The owner of a card disputes a payment: days later, and of fraud alone.",
  fields: [
    {
      name: "paymentId",
      type: "string",
      doc: "Key of the record."
    },
    {
      name: "disputedAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Event time, UTC."
    },
    {
      name: "terminal",
      type: "string",
      doc: "Where the payment was made."
    },
    {
      name: "reason",
      type: {
        type: "enum",
        name: "Reason",
        symbols: [
          "FRAUD"
        ]
      }
    }
  ]
});

/** Avro schema of {@link Payment}. */
export const payment: RecordSchema<Payment> = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  namespace: "cards",
  doc: "A card was charged at a terminal.",
  fields: [
    {
      name: "paymentId",
      type: "string"
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
      type: "string",
      doc: "Key of the record."
    },
    {
      name: "terminal",
      type: "string"
    },
    {
      name: "country",
      type: "string",
      doc: "Where the terminal stands."
    },
    {
      name: "amount",
      type: "double",
      doc: "In the currency of the account."
    }
  ]
});
