import { seededRandom } from "../seeded-random.ts";
import type { Point, Trap } from "./messages.ts";

/** Where a worker is killed: at a named point, or wherever it is after a while. */
export const killPoints = [
  "transaction",
  "before-write",
  "after-write",
  "restore",
  "anywhere",
] as const;
export type KillPoint = (typeof killPoints)[number];

/** Kills of 20 at each of the points; other numbers are shared out in this proportion. */
const shares: Readonly<Record<KillPoint, number>> = {
  transaction: 8,
  "before-write": 3,
  "after-write": 4,
  restore: 3,
  anywhere: 2,
};
const sharesTotal = 20;

/** SIGKILL of a worker at a point. */
export interface Kill {
  readonly kind: "kill";
  readonly worker: number;
  readonly point: Exclude<KillPoint, "restore">;
  /** Null for anywhere. */
  readonly trap: Trap | null;
  /** For anywhere: wait before it, ms. */
  readonly afterMs: number;
  /** Killed again while it restores, after so many reads of changelogs; null: it may come back. */
  readonly againAfterReads: number | null;
  /** Whether it stays away until its tasks are with others, instead of coming back at once. */
  readonly staysAway: boolean;
}

/** SIGSTOP of a worker with an unsent batch, until the new owner has written newer rows. */
export interface Freeze {
  readonly kind: "freeze";
  readonly worker: number;
  readonly trap: Trap;
  /** Nothing comes after it: what it breaks stays broken. */
  readonly last: boolean;
}

/** Kafka is away: killed and started again, or stopped and woken. */
export interface Outage {
  readonly kind: "outage";
  readonly how: "kill" | "pause";
  /** How long it is away, ms. */
  readonly forMs: number;
  /** Wait before it, while flights are processed, ms. */
  readonly afterMs: number;
}

export type Step = Kill | Freeze | Outage;

/** Longer than a session and a transaction last, and than a request is tried again. */
const outageMs = { kill: 60_000, pause: 100_000 } as const;

/** Unless a run is told otherwise: one of each kind. */
export const usualOutages = 2;

/** How many of `kills` fall on each point: the proportion of 20, by largest remainders. */
export function killsByPoint(kills: number): Record<KillPoint, number> {
  const exact = (point: KillPoint) => (kills * shares[point]) / sharesTotal;
  const counts = Object.fromEntries(
    killPoints.map((point) => [point, Math.floor(exact(point))]),
  ) as Record<KillPoint, number>;
  const order = killPoints.toSorted((a, b) => (exact(b) % 1) - (exact(a) % 1));
  let left = kills - Object.values(counts).reduce((sum, count) => sum + count, 0);
  for (const point of order) if (left-- > 0) counts[point]++;
  return counts;
}

/**
 * What happens to which worker, in order; a seed decides all of it. Kills in restore follow other
 * kills, of which there must be as many. The last freeze ends the plan.
 */
export function chaosPlan(
  seed: number,
  workers: number,
  kills: number,
  freezes: number,
  outages: number = usualOutages,
): Step[] {
  // Spread: of neighbouring seeds the first numbers would be neighbours.
  const random = seededRandom(Math.imul(seed, 0x9e3779b1));
  const below = (n: number) => Math.floor(random() * n);
  const counts = killsByPoint(kills);
  const steps: Step[] = [];
  for (const point of killPoints) {
    if (point === "restore") continue;
    for (let n = 0; n < counts[point]; n++) {
      // Both stores in turn: a plan of one kill of a kind has it at the offline store.
      const store = n % 2 === 0 ? "offline" : "online";
      steps.push({
        kind: "kill",
        worker: below(workers),
        point,
        trap: point === "anywhere" ? null : { point, passes: below(6), store },
        afterMs: 500 + below(3_000),
        againAfterReads: null,
        staysAway: false,
      });
    }
  }
  shuffle(steps, below);
  const again = shuffle(
    steps.map((_, index) => index),
    below,
  );
  for (const [n, index] of again.entries()) {
    const step = steps[index];
    if (step?.kind !== "kill") continue;
    if (n < counts.restore) steps[index] = { ...step, againAfterReads: below(4) };
    else if (n % 4 === 3) steps[index] = { ...step, staysAway: true };
  }
  for (let n = 0; n < freezes - 1; n++) {
    steps.splice(1 + below(steps.length), 0, freezeOf(below(workers), false));
  }
  for (let n = 0; n < outages; n++) {
    const how = n % 2 === 0 ? "pause" : "kill";
    const outage = { how, forMs: outageMs[how], afterMs: 500 + below(3_000) } as const;
    steps.splice(below(steps.length + 1), 0, { kind: "outage", ...outage });
  }
  if (freezes > 0) steps.push(freezeOf(below(workers), true));
  return steps;
}

function freezeOf(worker: number, last: boolean): Freeze {
  const point: Point = "redis-batch";
  return { kind: "freeze", worker, last, trap: { point, passes: 0, store: "online" } };
}

function shuffle<T>(items: T[], below: (n: number) => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
