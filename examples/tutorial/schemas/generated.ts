// Written by `millrace generate` from schemas/payment.avsc schemas/report.avsc. Change those instead.

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

/** The bank says of a payment whether it was fraud: the ground truth, hours later. */
export interface Report {
  /** The payment, and key of the record. */
  readonly paymentId: string;
  /** Event time, UTC. */
  readonly reportedAt: number;
  readonly fraud: boolean;
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

/** Avro schema of {@link Report}. */
export const report: RecordSchema<Report> = recordSchema<Report>({
  type: "record",
  name: "Report",
  namespace: "shop",
  doc: "The bank says of a payment whether it was fraud: the ground truth, hours later.",
  fields: [
    {
      name: "paymentId",
      type: "string",
      doc: "The payment, and key of the record."
    },
    {
      name: "reportedAt",
      type: {
        type: "long",
        logicalType: "timestamp-millis"
      },
      doc: "Event time, UTC."
    },
    {
      name: "fraud",
      type: "boolean"
    }
  ]
});
