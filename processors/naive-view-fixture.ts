import type { Scalar } from "../schemas/expression.ts";
import {
  type AggregateSpec,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  valueAt,
} from "../schemas/feature-view.ts";
import { readInput, readValue } from "./aggregate/read-input.ts";
import { aggregateKind } from "./aggregate/registry.ts";
import { compareKeys } from "./view/key-order.ts";

/** An update of a test view with one number and maybe other values, as the source stamped it. */
export interface Event {
  readonly key: string;
  readonly knownAt: number;
  readonly eventTime: number;
  readonly delay: number;
  /** Fields that are no doubles. @default none */
  readonly others?: Readonly<Record<string, Scalar>>;
}

export interface Row {
  readonly key: string;
  readonly asOf: number;
  readonly seq: number;
  readonly validUntil: number;
  readonly values: Scalar[];
}

/** What a row holds of the events of a window, recomputed; of doubles null is NaN. */
export function naiveAggregate(spec: AggregateSpec, events: readonly Event[]): Scalar {
  if (isValueOutput(spec.output)) {
    const kept = events
      .map(({ delay, others, eventTime }) => {
        return { value: readValue(spec, { delay, ...others }), time: eventTime };
      })
      .filter(({ value }) => value !== null);
    const times = kept.map(({ time }) => time);
    const of = aggregateKind(spec.kind).ofValues?.(spec.output);
    return (
      of?.naive(
        kept.map(({ value }) => value),
        times,
      ) ?? null
    );
  }
  const known = events
    .map(({ delay, eventTime }) => ({ value: readInput(spec, { delay }), time: eventTime }))
    .filter(({ value }) => !Number.isNaN(value));
  const values = known.map(({ value }) => value);
  const times = known.map(({ time }) => time);
  return aggregateKind(spec.kind).naive(values, spec, times) ?? Number.NaN;
}

/** What a row holds of a key at q: an event is in window w when q − w ≤ t. */
export function naiveValues(view: FeatureViewSpec, known: readonly Event[], q: number): Scalar[] {
  return view.aggregates.flatMap((aggregate) =>
    view.windows.map(({ lengthMs }) => {
      const included = known.filter(({ eventTime }) => q - lengthMs <= eventTime);
      const value = naiveAggregate(aggregate, included);
      return isValueOutput(aggregate.output) ? value : rounded(Number(value));
    }),
  );
}

/** What a look-up at q says of values that a row holds. */
export function valuesAt(view: FeatureViewSpec, stored: readonly Scalar[], q: number): Scalar[] {
  return featureColumns(view).map(({ aggregate: { output } }, i) =>
    isValueOutput(output) ? (stored[i] ?? null) : rounded(valueAt(output, Number(stored[i]), q)),
  );
}

/** Compared to 12 digits: deviations are rounded in more than one place. */
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
