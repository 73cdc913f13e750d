import { setTimeout as sleep } from "node:timers/promises";
import { LatencyHistogram } from "../live/latency-histogram.ts";

/** When requests are sent, and how many at once. */
export interface LoopOptions {
  /** Requests a second, above 0. */
  readonly rate: number;
  /** At the beginning: requests go out, and their times do not count, ms. */
  readonly warmUpMs: number;
  /** How long requests go out whose times count, ms. */
  readonly forMs: number;
  /** Requests that may be under way; one that is due beyond is left out. */
  readonly most: number;
  /** Ends the load where it is. */
  readonly signal: AbortSignal;
  /** ms, rising. @default performance.now */
  readonly now?: () => number;
  /** @default a timer */
  readonly wait?: (ms: number) => Promise<void>;
}

/** What came of a load. */
export interface LoopCounts {
  /** From when a request was due until its answer, of those behind the warm-up. */
  readonly times: LatencyHistogram;
  /** Requests with an answer that is right, and those that failed, warm-up included. */
  readonly answered: number;
  readonly failed: number;
  /** Requests that were due while too many were under way. */
  readonly dropped: number;
  /** What failed, each text once, up to ten of them. */
  readonly failures: ReadonlyMap<string, number>;
}

const mostFailures = 10;

/**
 * Sends requests when they are due, whatever takes how long: an open loop. Resolves once the last
 * one is answered or has failed.
 *
 * @param send - the request of a number, from 0 on; rejects where the answer is wrong.
 */
export async function openLoop(
  options: LoopOptions,
  send: (index: number) => Promise<void>,
): Promise<LoopCounts> {
  const { rate, warmUpMs, forMs, most, signal } = options;
  const { now = () => performance.now(), wait = (ms: number) => sleep(ms) } = options;
  const times = new LatencyHistogram();
  const failures = new Map<string, number>();
  let [answered, failed, dropped] = [0, 0, 0];
  const underWay = new Set<Promise<void>>();
  const begin = now();
  const total = Math.round(((warmUpMs + forMs) / 1_000) * rate);

  const ask = async (index: number, dueMs: number): Promise<void> => {
    try {
      await send(index);
      answered++;
      if (dueMs >= warmUpMs) times.add(now() - begin - dueMs);
    } catch (error) {
      failed++;
      const text = error instanceof Error ? error.message : String(error);
      if (failures.has(text) || failures.size < mostFailures) {
        failures.set(text, (failures.get(text) ?? 0) + 1);
      }
    }
  };
  for (let index = 0; index < total && !signal.aborted; index++) {
    const dueMs = (index / rate) * 1_000;
    const early = dueMs - (now() - begin);
    if (early > 0) await wait(early);
    if (signal.aborted) break;
    // Answers that are there already make room.
    if (underWay.size >= most) await wait(0);
    if (underWay.size >= most) {
      dropped++;
      continue;
    }
    const request: Promise<void> = ask(index, dueMs).finally(() => underWay.delete(request));
    underWay.add(request);
  }
  await Promise.all(underWay);
  return { times, answered, failed, dropped, failures };
}
