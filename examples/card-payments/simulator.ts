import type { FedEvent } from "millrace";
import { Random } from "./random.ts";
import type { Dispute, Payment } from "./schemas/generated.ts";

export interface Simulation {
  /** A card each; there are two terminals a customer. */
  readonly customers: number;
  readonly days: number;
  /** Whole number from 0, below 2³². */
  readonly seed: number;
}

const dayMs = 86_400_000;
export const start = Date.UTC(2026, 0, 1);
/** The sides of the square in which customers and terminals lie. */
const side = 100;
/** How far customers go to pay. */
const radius = 5;
/** One of them for each quarter of the square. */
const countries = ["BE", "DE", "FR", "NL"] as const;
const largeAmount = 220;
const compromisedDays = 28;
const leakedDays = 14;
/** A payment that is fraud is disputed after so many days. */
const disputeDays = { from: 1, to: 6 };

/**
 * Payments by card and what was disputed of them, in the order of their times, after the
 * simulator of the fraud-detection handbook: who pays how much, how often and where, and three
 * kinds of fraud.
 *
 * 1. Every payment above 220.
 * 2. Of 10,000 terminals two a day are compromised: for 28 days all that is paid there is fraud.
 * 3. Of 5,000 customers the credentials of three a day leak: for 14 days a third of their payments
 *    are somebody else's, of five times the amount.
 *
 * Made day by day: in memory are the customers, the payments of a day and the disputes to come.
 * More days begin with the same events.
 *
 * @see Le Borgne, Siblini, Lebichot, Bontempi, Reproducible Machine Learning for Credit Card Fraud
 * Detection, 2022, chapter 3 (https://fraud-detection-handbook.github.io)
 */
export function* simulated({ customers, days, seed }: Simulation): Generator<FedEvent> {
  const world = new World(customers, new Random(seed));
  /** Disputes by the day on which they are made. */
  const disputes = new Map<number, Dispute[]>();
  let made = 0;
  for (let day = 0; day < days; day++) {
    const events: FedEvent[] = [];
    for (const { fraud, ...rest } of world.payments(day)) {
      const payment: Payment = { paymentId: `p${made}`, ...rest };
      made += 1;
      events.push({ topic: "payments", at: payment.paidAt, value: payment });
      if (!fraud) continue;
      const dispute = world.dispute(payment);
      const disputedOn = Math.floor((dispute.disputedAt - start) / dayMs);
      disputes.set(disputedOn, [...(disputes.get(disputedOn) ?? []), dispute]);
    }
    for (const dispute of disputes.get(day) ?? []) {
      events.push({ topic: "disputes", at: dispute.disputedAt, value: dispute });
    }
    disputes.delete(day);
    yield* events.sort((a, b) => a.at - b.at);
  }
}

interface Customer {
  readonly card: string;
  /** Where its owner pays. */
  readonly terminals: readonly number[];
  readonly meanAmount: number;
  readonly paymentsADay: number;
  /** Day from which its credentials are of no use to others any more. */
  leakedUntil: number;
}

interface Terminal {
  readonly name: string;
  readonly country: string;
  readonly x: number;
  readonly y: number;
  compromisedUntil: number;
}

type Charge = Omit<Payment, "paymentId"> & { readonly fraud: boolean };

class World {
  readonly #random: Random;
  readonly #customers: readonly Customer[];
  readonly #terminals: readonly Terminal[];

  constructor(customers: number, random: Random) {
    this.#random = random;
    this.#terminals = Array.from({ length: 2 * customers }, (_, number) =>
      terminal(number, random),
    );
    this.#customers = Array.from({ length: customers }, (_, number) =>
      customer(number, this.#terminals, random),
    );
  }

  /** The payments of a day in the order of their times; days one after the other. */
  payments(day: number): Charge[] {
    const random = this.#random;
    for (let left = due(day, this.#terminals.length, 2 / 10_000); left > 0; left--) {
      const found = this.#terminals[random.below(this.#terminals.length)];
      if (found !== undefined) found.compromisedUntil = day + compromisedDays;
    }
    for (let left = due(day, this.#customers.length, 3 / 5_000); left > 0; left--) {
      const found = this.#customers[random.below(this.#customers.length)];
      if (found !== undefined) found.leakedUntil = day + leakedDays;
    }
    const charges = this.#customers.flatMap((each) => this.#paymentsOf(each, day));
    return charges.sort((a, b) => a.paidAt - b.paidAt);
  }

  /** Days later, by the owner of the card. */
  dispute({ paymentId, paidAt, terminal }: Payment): Dispute {
    const days = this.#random.between(disputeDays.from, disputeDays.to);
    return { paymentId, disputedAt: paidAt + Math.floor(days * dayMs), terminal, reason: "FRAUD" };
  }

  #paymentsOf({ card, terminals, meanAmount, paymentsADay, leakedUntil }: Customer, day: number) {
    const random = this.#random;
    const charges: Charge[] = [];
    for (let left = random.poisson(paymentsADay); left > 0; left--) {
      // Most pay around noon; what falls out of the day is not paid.
      const time = Math.floor(random.normal(dayMs / 2, 20_000_000));
      const usual = random.normal(meanAmount, meanAmount / 2);
      const own = usual < 0 ? random.between(0, 2 * meanAmount) : usual;
      const leaked = day < leakedUntil && random.below(3) === 0;
      const place = this.#terminals[terminals[random.below(terminals.length)] ?? -1];
      if (time < 0 || time >= dayMs || place === undefined) continue;
      charges.push({
        paidAt: start + day * dayMs + time,
        card,
        terminal: place.name,
        country: place.country,
        amount: Math.round(100 * (leaked ? 5 * own : own)) / 100,
        fraud: own > largeAmount || day < place.compromisedUntil || leaked,
      });
    }
    return charges;
  }
}

/** How many come on a day of what comes at a rate: whole numbers that keep to it. */
function due(day: number, all: number, share: number): number {
  return Math.floor(all * share * (day + 1)) - Math.floor(all * share * day);
}

function terminal(number: number, random: Random): Terminal {
  const [x, y] = [random.between(0, side), random.between(0, side)];
  const country = countries[(x < side / 2 ? 0 : 1) + (y < side / 2 ? 0 : 2)] ?? "";
  return { name: `t${number}`, country, x, y, compromisedUntil: 0 };
}

/** Pays nothing where no terminal is near. */
function customer(number: number, terminals: readonly Terminal[], random: Random): Customer {
  const [x, y] = [random.between(0, side), random.between(0, side)];
  const isNear = (each: Terminal) => Math.hypot(each.x - x, each.y - y) < radius;
  return {
    card: `c${number}`,
    terminals: [...terminals.keys()].filter((index) => isNear(terminals[index] as Terminal)),
    meanAmount: random.between(5, 100),
    paymentsADay: random.between(0, 4),
    leakedUntil: 0,
  };
}
