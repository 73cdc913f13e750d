import type { FeatureViewSpec } from "../schemas/feature-view.ts";
import { compareKeys } from "./view/key-order.ts";

/** An update of a test view with one number, as the source stamped it. */
export interface Event {
  readonly key: string;
  readonly knownAt: number;
  readonly eventTime: number;
  readonly delay: number;
}

export interface Row {
  readonly key: string;
  readonly asOf: number;
  readonly seq: number;
  readonly validUntil: number;
  readonly values: number[];
}

/** Values of a window, recomputed from its numbers; nulls are NaN. */
export function naiveAggregate(
  kind: string,
  probability: number,
  delays: readonly number[],
): number {
  const known = delays.filter((delay) => !Number.isNaN(delay)).sort((a, b) => a - b);
  const n = known.length;
  if (kind === "count") return delays.length;
  if (n === 0) return Number.NaN;
  // Tenths: exact in whole numbers, then rounded once.
  const tenths = known.map((delay) => Math.round(delay * 10));
  const total = tenths.reduce((a, b) => a + b, 0);
  switch (kind) {
    case "sum":
      return total / 10;
    case "mean":
      return total / 10 / n;
    case "min":
      return known[0] as number;
    case "max":
      return known[n - 1] as number;
    case "share":
      return known.filter((delay) => delay > 2).length / n;
    case "stddev":
      return Math.sqrt((n * tenths.reduce((a, b) => a + b * b, 0) - total * total) / (n * n * 100));
    default:
      return known.find((_, i) => i + 1 >= probability * n) as number;
  }
}

/** The columns of a key at q: an event is in window w when q − w ≤ t. */
export function naiveValues(view: FeatureViewSpec, known: readonly Event[], q: number): number[] {
  return view.aggregates.flatMap(({ kind, probability }) =>
    view.windows.map(({ lengthMs }) => {
      const included = known.filter(({ eventTime }) => q - lengthMs <= eventTime);
      const delays = included.map(({ delay }) => delay);
      return rounded(naiveAggregate(kind, probability ?? 0, delays));
    }),
  );
}

/** Sums of tenths are compared to 12 digits: the processor rounds the sum of the doubles. */
export function rounded(value: number): number {
  return Math.abs(value) < 1e-9 ? 0 : Number(value.toPrecision(12));
}

/**
 * All rows from the definitions: at each instant X where events of a key arrive or leave a window,
 * first one row of what is left, then one row an arriving event.
 *
 * @param offMs - moves every expiry, to see that a test notices.
 */
export function naiveRows(view: FeatureViewSpec, events: readonly Event[], offMs: number): Row[] {
  const lengths = view.windows.map(({ lengthMs }) => lengthMs + offMs);
  const longest = Math.max(...lengths);
  const counting = events.filter(({ eventTime, knownAt }) => eventTime + longest > knownAt);
  const instants = new Set(counting.map(({ knownAt }) => knownAt));
  for (const { eventTime, knownAt } of counting) {
    for (const length of lengths)
      if (eventTime + length > knownAt) instants.add(eventTime + length);
  }
  const rows: Row[] = [];
  const seqOf = new Map<string, number>();
  const emit = (key: string, asOf: number, known: readonly Event[]) => {
    const seq = (seqOf.get(`${key} ${asOf}`) ?? -1) + 1;
    seqOf.set(`${key} ${asOf}`, seq);
    const leaving = known.flatMap(({ eventTime }) =>
      lengths.map((length) => eventTime + length).filter((instant) => instant > asOf),
    );
    const validUntil = leaving.length === 0 ? Number.NaN : Math.min(...leaving);
    // Just behind the instant, on a clock of whole milliseconds.
    rows.push({ key, asOf, seq, validUntil, values: naiveValues(view, known, asOf + 1 - offMs) });
  };
  for (const instant of [...instants].sort((a, b) => a - b)) {
    const before = counting.filter(({ knownAt }) => knownAt < instant);
    const left = before.filter(({ eventTime, knownAt }) =>
      lengths.some((length) => eventTime + length === instant && knownAt < instant),
    );
    for (const key of [...new Set(left.map((event) => event.key))].sort(compareKeys)) {
      emit(
        key,
        instant,
        before.filter((event) => event.key === key),
      );
    }
    const known = [...before];
    for (const event of counting.filter(({ knownAt }) => knownAt === instant)) {
      known.push(event);
      emit(
        event.key,
        instant,
        known.filter(({ key }) => key === event.key),
      );
    }
  }
  return rows;
}
