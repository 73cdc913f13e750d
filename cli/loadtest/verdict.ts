import type { LoopCounts } from "./open-loop.ts";
import type { ReadBack } from "./read-back.ts";

/** What a load has shown. */
export interface Shown {
  readonly counts: LoopCounts;
  readonly kinds: ReadonlyMap<string, number>;
  readonly readBacks: readonly ReadBack[];
  /** From the event time of a record to its prediction, ms; null: it was not measured. */
  readonly predictionMs: LoopCounts["times"] | null;
}

/** What a load is held to. */
export interface Bounds {
  /** Longest time of 99 of 100 requests, ms; null: any. */
  readonly p99Ms: number | null;
  /** Share of the requests that may be left out. */
  readonly dropped: number;
}

/** What the load failed at, in words; empty: at nothing. */
export function failuresOf({ counts, readBacks }: Shown, { p99Ms, dropped }: Bounds): string[] {
  const failures: string[] = [];
  const asked = counts.answered + counts.failed + counts.dropped;
  if (counts.failed > 0) failures.push(`${counts.failed} requests failed`);
  if (counts.dropped > dropped * asked) {
    failures.push(`${counts.dropped} of ${asked} requests could not be sent in time`);
  }
  if (counts.times.count === 0) failures.push("nothing was measured");
  const p99 = counts.times.quantile(0.99);
  if (p99Ms !== null && p99 !== null && p99 > p99Ms) {
    failures.push(`p99 is ${Math.round(p99)} ms, above ${p99Ms} ms`);
  }
  for (const { table, due, found, doubled } of readBacks) {
    if (due !== null && found < due) failures.push(`${due - found} of ${due} miss in ${table}`);
    // An id whose request failed may stand there all the same.
    if (due !== null && found > due && counts.failed === 0) {
      failures.push(`${table} has ${found - due} that nobody was told of`);
    }
    if (doubled > 0) failures.push(`${doubled} stand in ${table} twice`);
  }
  return failures;
}

/** For people. */
export function shownText(shown: Shown, failures: readonly string[]): string {
  const { counts, kinds, readBacks, predictionMs } = shown;
  const number = (value: number) => value.toLocaleString("en-US");
  const lines = [
    `requests     ${number(counts.answered)} answered, ${number(counts.failed)} failed, ${number(counts.dropped)} not sent in time`,
    `times        ${counts.times.count === 0 ? "none" : `${timesText(counts.times)}, from when each was due`}`,
  ];
  const told = [...kinds].map(([kind, n]) => `${number(n)} ${kind}`);
  if (told.length > 0) lines.push(`answers      ${told.join(", ")}`);
  if (predictionMs !== null) {
    lines.push(
      `predictions  ${timesText(predictionMs)}, from the event to who reads them in Kafka`,
    );
  }
  for (const { table, due, found, doubled } of readBacks) {
    const of = due === null ? "" : ` of ${number(due)}`;
    lines.push(`kept         ${number(found)}${of} in ${table}, ${number(doubled)} twice`);
  }
  for (const [text, n] of counts.failures) lines.push(`failed       ${number(n)}: ${text}`);
  lines.push(failures.length === 0 ? "Passed." : `FAILED: ${failures.join("; ")}.`);
  return lines.join("\n");
}

function timesText(times: LoopCounts["times"]): string {
  const of = (share: number) => Math.round(times.quantile(share) ?? 0);
  return `p50 ${of(0.5)} ms, p95 ${of(0.95)} ms, p99 ${of(0.99)} ms, most ${Math.round(times.maxMs)} ms`;
}

/** For programs. */
export function shownFacts(shown: Shown, failures: readonly string[]): object {
  const { counts, kinds, readBacks, predictionMs } = shown;
  const { answered, failed, dropped } = counts;
  const times = (of: LoopCounts["times"]) => ({
    ...{ p50Ms: of.quantile(0.5), p95Ms: of.quantile(0.95), p99Ms: of.quantile(0.99) },
    ...{ mostMs: of.maxMs, measured: of.count },
  });
  return {
    ...{ passed: failures.length === 0, failures, answered, failed, dropped },
    times: times(counts.times),
    answers: Object.fromEntries(kinds),
    predictions: predictionMs === null ? null : times(predictionMs),
    ...{ kept: readBacks, errors: Object.fromEntries(counts.failures) },
  };
}
