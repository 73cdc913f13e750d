import { aggregateKind } from "../../processors/aggregate/registry.ts";
import { encoderOf } from "../../schemas/encodings/encodings.ts";
import { evaluate, type Scalar } from "../../schemas/expression.ts";
import {
  type AggregateSpec,
  entityKey,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  valueAt,
  viewId,
} from "../../schemas/feature-view.ts";
import type { LookupSpec } from "../../schemas/plan.ts";
import { type Known, type StepOracle, streamOf } from "./step-oracle.ts";

/** The rows of a view: all that come into a window or leave it. */
export const view: StepOracle<FeatureViewSpec> = {
  needs: ({ source }) => [source],
  add: (spec, world) => {
    const events = byEntity(spec, streamOf(spec, world));
    world.eventsOf.set(viewId(spec), events);
    world.rows.push(...rowsOf(spec, events, world.end));
  },
};

function byEntity(view: FeatureViewSpec, events: readonly Known[]): Map<string, Known[]> {
  const grouped = new Map<string, Known[]>();
  for (const event of events) {
    const key = entityKey(view.keyFields.map((field) => event.record[field]));
    const group = grouped.get(key);
    if (group) group.push(event);
    else grouped.set(key, [event]);
  }
  return grouped;
}

/** Features of a view over a set of candidate events, per window of those with time ≥ from. */
export function features(
  view: FeatureViewSpec,
  candidates: readonly Known[],
  from: (w: number) => number,
) {
  return featureColumns(view).map(({ aggregate, window }) => {
    const start = from(window.lengthMs);
    return naive(
      aggregate,
      candidates.filter((event) => event.time >= start),
    );
  });
}

function naive(aggregate: AggregateSpec, events: readonly Known[]): Scalar {
  if (isValueOutput(aggregate.output)) return naiveValue(aggregate, events);
  const values: number[] = [];
  const times: number[] = [];
  for (const { record, time } of events) {
    const { field, condition, where } = aggregate;
    if (where !== undefined && evaluate(where, record) !== true) continue;
    const value = condition ? evaluate(condition, record) : field === undefined || record[field];
    const number = typeof value === "string" ? numberOf(value) : value;
    if (typeof number !== "number" && typeof number !== "boolean") continue;
    if (Number.isNaN(number)) continue;
    values.push(Number(number));
    times.push(time);
  }
  return aggregateKind(aggregate.kind).naive(values, aggregate, times);
}

function naiveValue(
  { kind, field = "", where, output }: AggregateSpec,
  events: readonly Known[],
): Scalar {
  const kept = events.filter(
    ({ record }) =>
      (where === undefined || evaluate(where, record) === true) && (record[field] ?? null) !== null,
  );
  const of = isValueOutput(output) ? aggregateKind(kind).ofValues?.(output) : undefined;
  const values = kept.map(({ record }) => record[field] as Scalar);
  return (
    of?.naive(
      values,
      kept.map(({ time }) => time),
    ) ?? null
  );
}

const numbers = new Map<string, number>();

/** A number for each text, another for another. */
function numberOf(text: string): number {
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  return number;
}

/** The features that a look-up brings at q, of values as rows hold them: all are numbers. */
export function at(
  { encoded = [] }: LookupSpec,
  view: FeatureViewSpec,
  stored: readonly Scalar[],
  q: number,
): (number | null)[] {
  const columns = featureColumns(view);
  const numbers = columns.flatMap(({ aggregate: { output } }, i) => {
    const value = stored[i] ?? null;
    if (output === "text") return [];
    if (value === null) return [null];
    return [isValueOutput(output) ? Number(value) : valueAt(output, Number(value), q)];
  });
  const made = encoded.map(({ column, encoding }) => {
    const number = encoderOf(encoding)(stored[columns.findIndex((each) => each.column === column)]);
    return Number.isNaN(number) ? null : number;
  });
  return [...numbers, ...made];
}

/** Values as they compare: numbers to nine digits behind the point. */
export function text(values: readonly Scalar[]): string {
  return values
    .map((value) => (typeof value === "number" ? value.toFixed(9) : String(value ?? "-")))
    .join(",");
}

/** `view|key|asOf|seq|validUntil|values`. */
function rowsOf(view: FeatureViewSpec, events: ReadonlyMap<string, Known[]>, end: number) {
  const rows: string[] = [];
  const lengths = view.windows.map((window) => window.lengthMs);
  for (const [key, list] of events) {
    const instants = new Map<number, { updates: Known[]; expires: boolean }>();
    const at = (time: number) => {
      let instant = instants.get(time);
      if (instant === undefined) {
        instant = { updates: [], expires: false };
        instants.set(time, instant);
      }
      return instant;
    };
    for (const event of list) {
      const alive = lengths.filter((length) => event.time + length > event.knownAt);
      if (alive.length > 0) at(event.knownAt).updates.push(event);
      for (const length of alive) at(event.time + length).expires = true;
    }
    for (const [instant, { updates, expires }] of [...instants].sort((a, b) => a[0] - b[0])) {
      if (instant >= end) continue;
      const included = list.filter((event) => event.knownAt < instant);
      let seq = 0;
      const emit = () => {
        // The row holds just after the instant: an event is in while time + length > instant.
        const values = features(view, included, (length) => instant - length + 1);
        const leaving = included.flatMap((event) =>
          lengths.map((length) => event.time + length).filter((time) => time > instant),
        );
        const until = leaving.length === 0 ? "-" : String(Math.min(...leaving));
        rows.push([viewId(view), key, instant, seq++, until, text(values)].join("|"));
      };
      if (expires) emit();
      for (const event of updates) {
        included.push(event);
        emit();
      }
    }
  }
  return rows;
}
