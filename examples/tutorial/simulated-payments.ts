import type { FedEvent } from "millrace";
import type { Payment, Report } from "./schemas/generated.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

export const start = Date.UTC(2026, 0, 5);
const cards = 300;
const reportDelay = 6 * hour;

/** Numbers in [0, 1), the same ones for a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Charge {
  readonly card: string;
  readonly at: number;
  readonly amount: number;
  readonly fraud: boolean;
}

/**
 * Every card is used now and then for what its owner usually spends. Some are stolen: for six hours
 * somebody else uses them as well, at first for more than usual. From the fifth day on thieves
 * spend little, so that nobody notices.
 */
function charges(days: number, random: () => number): Charge[] {
  const made: Charge[] = [];
  for (let number = 0; number < cards; number++) {
    const card = String(1_000 + number);
    const usual = 10 + 40 * random();
    const gap = hour + 5 * hour * random();
    const amount = () => Math.round(100 * usual * Math.exp(2 * (random() - 0.5))) / 100;
    for (let at = gap * random(); at < days * day; at += gap * (0.1 + 1.8 * random())) {
      made.push({ card, at, amount: amount(), fraud: false });
      if (random() > 0.01) continue;
      const factor = at < 4 * day ? 2 : 0.3;
      for (let stolen = at; stolen < at + 6 * hour; stolen += (20 + 80 * random()) * minute) {
        made.push({ card, at: stolen + minute, amount: factor * amount(), fraud: true });
      }
    }
  }
  return made.filter(({ at }) => at < days * day).sort((a, b) => a.at - b.at);
}

/** Payments and, six hours after each, the report of the bank, in the order of their times. */
export function simulated(days: number, seed: number): FedEvent[] {
  const events: FedEvent[] = [];
  for (const [index, { card, at, amount, fraud }] of charges(days, seeded(seed)).entries()) {
    const paymentId = `p${index}`;
    const paidAt = start + Math.floor(at);
    const reportedAt = paidAt + reportDelay;
    const payment: Payment = { paymentId, paidAt, card, amount };
    const report: Report = { paymentId, reportedAt, fraud };
    events.push({ topic: "payments", at: paidAt, value: payment });
    events.push({ topic: "reports", at: reportedAt, value: report });
  }
  return events.sort((a, b) => a.at - b.at);
}
