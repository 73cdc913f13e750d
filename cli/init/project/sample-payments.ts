import type { Payment } from "./schemas/generated.ts";

const start = Date.UTC(2026, 0, 5, 9);

/** Payments of two cards in one hour: time in minutes, card, amount. */
const samples: readonly (readonly [number, string, number])[] = [
  [0, "4711", 12.5],
  [3, "0815", 80],
  [7, "4711", 30],
  [19, "4711", 250],
  [26, "0815", 9.9],
  [41, "4711", 5],
  [52, "0815", 140],
  [55, "4711", 7.5],
];

export const samplePayments: readonly Payment[] = samples.map(([minute, card, amount], index) => ({
  paymentId: `p${index + 1}`,
  paidAt: start + minute * 60_000,
  card,
  amount,
}));
