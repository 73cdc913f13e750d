import { aggregateKind } from "../processors/aggregate/registry.ts";
import { encode } from "../schemas/encoding.ts";
import { evaluate, type Scalar } from "../schemas/expression.ts";
import type { AggregateSpec } from "../schemas/feature-view.ts";
import {
  entityKey,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  valueAt,
  viewId,
} from "../schemas/feature-view.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import {
  type DedupSpec,
  type LabelSpec,
  type LookupSpec,
  type Plan,
  type SourceSpec,
  stepsOf,
} from "../schemas/plan.ts";
import { through } from "../schemas/transforms/through.ts";

/**
 * One entry of a source partition's log, in offset order: a record or a watermark in force there.
 */
export type LogEntry =
  | { readonly record: Readonly<Record<string, unknown>> }
  | { readonly before: number };

/** Logs of every source partition: topic → partition → entries. */
export type SourceLogs = ReadonlyMap<string, readonly (readonly LogEntry[])[]>;

interface Known {
  readonly knownAt: number;
  readonly time: number;
  readonly partition: number;
  readonly index: number;
  readonly record: Readonly<Record<string, unknown>>;
}

export interface OracleOutput {
  /** `view|key|asOf|seq|validUntil|values`. */
  readonly rows: string[];
  /** `id|knownAt|features`. */
  readonly predictions: string[];
  /** `id|knownAt|label`. */
  readonly outcomes: string[];
  /** `topic|id`. */
  readonly late: string[];
}

/**
 * Everything a plan must produce, from the definitions alone: sorted lists and full scans, one
 * instant after the other. Obviously right and quadratic; for tests of a few thousand records.
 */
export function sequentialOracle(plan: Plan, logs: SourceLogs): OracleOutput {
  const late: string[] = [];
  const known = new Map(plan.sources.map((source) => [source.topic, stamp(source, logs, late)]));
  for (const dedup of stepsOf(plan, "dedup")) {
    known.set(dedup.name, deduped(dedup, streamOf(dedup, known), plan.partitions));
  }
  const eventsOf = new Map(
    stepsOf(plan, "view").map((view) => [viewId(view), byEntity(view, streamOf(view, known))]),
  );
  const end = endOfInput(logs);
  return {
    late: late.sort(),
    rows: stepsOf(plan, "view")
      .flatMap((view) => rowsOf(view, eventsOf.get(viewId(view)), end))
      .sort(),
    ...scored(plan, known, eventsOf, end),
  };
}

function stamp(source: SourceSpec, logs: SourceLogs, late: string[]): Known[] {
  const all: Known[] = [];
  for (const [partition, log] of (logs.get(source.topic) ?? []).entries()) {
    let streamTime = Number.NEGATIVE_INFINITY;
    for (const [index, entry] of log.entries()) {
      if ("before" in entry) {
        streamTime = Math.max(streamTime, entry.before);
        continue;
      }
      const time = Number(entry.record[source.timeField]);
      if (time < streamTime - source.latenessMs) {
        late.push(`${source.topic}|${entry.record[source.partitionField]}`);
        continue;
      }
      streamTime = Math.max(streamTime, time);
      all.push({ knownAt: streamTime, time, partition, index, record: entry.record });
    }
  }
  return all.sort(inOrder);
}

function inOrder(a: Known, b: Known): number {
  return a.knownAt - b.knownAt || a.partition - b.partition || a.index - b.index;
}

/** Records as a step takes them. */
function streamOf(
  { source, through: specs = [] }: Pick<LabelSpec, "source" | "through">,
  known: ReadonlyMap<string, readonly Known[]>,
): Known[] {
  const derive = through(specs);
  return (known.get(source) ?? []).flatMap((each) => {
    const record = derive(each.record);
    return record === null ? [] : [{ ...each, record }];
  });
}

/** The first records of their values, in the order of the tasks that pass them on. */
function deduped(
  { partitionField, withinMs }: DedupSpec,
  records: readonly Known[],
  partitions: number,
): Known[] {
  const passed: Known[] = [];
  for (const each of records) {
    const value = String(each.record[partitionField]);
    const isAgain = (other: Known) =>
      String(other.record[partitionField]) === value &&
      Math.abs(other.time - each.time) <= withinMs;
    if (passed.some(isAgain)) continue;
    passed.push({ ...each, partition: partitionOf(value, partitions), index: passed.length });
  }
  return passed.sort(inOrder);
}

function endOfInput(logs: SourceLogs): number {
  let end = Number.NEGATIVE_INFINITY;
  for (const partitions of logs.values()) {
    for (const log of partitions) {
      for (const entry of log) if ("before" in entry) end = Math.max(end, entry.before);
    }
  }
  return end;
}

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
function features(
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
function at(
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
    const number = encode(encoding, stored[columns.findIndex((each) => each.column === column)]);
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

function rowsOf(view: FeatureViewSpec, events: Map<string, Known[]> | undefined, end: number) {
  const rows: string[] = [];
  const lengths = view.windows.map((window) => window.lengthMs);
  for (const [key, list] of events ?? []) {
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

function scored(
  plan: Plan,
  known: ReadonlyMap<string, readonly Known[]>,
  eventsOf: ReadonlyMap<string, Map<string, Known[]>>,
  end: number,
): { predictions: string[]; outcomes: string[] } {
  const predictions: string[] = [];
  const outcomes: string[] = [];
  for (const scoring of stepsOf(plan, "scoring")) {
    const label = stepsOf(plan, "label").find((each) => each.predictions === scoring.name);
    const predicted = new Map<string, number[]>();
    for (const trigger of streamOf(scoring, known)) {
      if (trigger.knownAt >= end) continue;
      const id = String(trigger.record[scoring.keyField]);
      const earlier = predicted.get(id) ?? [];
      predicted.set(id, earlier);
      const last = earlier.at(-1);
      if (label !== undefined && last !== undefined && trigger.knownAt <= last + label.withinMs) {
        continue;
      }
      earlier.push(trigger.knownAt);
      const values = scoring.lookups.flatMap((lookup) => {
        const view = stepsOf(plan, "view").find(
          (each) => viewId(each) === lookup.view,
        ) as FeatureViewSpec;
        const key = entityKey(lookup.keyFields.map((field) => trigger.record[field]));
        const list = eventsOf.get(lookup.view)?.get(key) ?? [];
        const seen = list.filter(
          (event) => event.knownAt < trigger.knownAt && event.time < trigger.knownAt,
        );
        const stored = features(view, seen, (length) => trigger.knownAt - length);
        return at(lookup, view, stored, trigger.knownAt);
      });
      const request = scoring.request.map(({ field }) => trigger.record[field] as number | null);
      predictions.push([id, trigger.knownAt, text([...values, ...request])].join("|"));
    }
    if (label === undefined) continue;
    const labels = streamOf(label, known);
    for (const [id, times] of predicted) {
      const own = labels.filter((each) => String(each.record[label.keyField]) === id);
      joinLabels(id, times, label, own, end, outcomes);
    }
  }
  return { predictions: predictions.sort(), outcomes: outcomes.sort() };
}

/**
 * Outcomes of the predictions of one id, which are more than `within` apart. A label belongs to the
 * last prediction before it, for 2 × within; else it is early and waits for the next one.
 * A trigger of its own instant is processed first (look-ups and triggers precede updates).
 */
function joinLabels(
  id: string,
  predicted: readonly number[],
  label: LabelSpec,
  labels: readonly Known[],
  end: number,
  outcomes: string[],
): void {
  const { withinMs } = label;
  const truth = (each: Known) => (evaluate(label.label, each.record) ? 1 : 0);
  const known = labels.filter(
    (each) => each.knownAt < end && evaluate(label.label, each.record) !== null,
  );
  const isOwned = (each: Known) =>
    predicted.some((q) => q <= each.knownAt && each.knownAt <= q + 2 * withinMs);
  const early: Known[] = [];
  for (const each of known.filter((one) => !isOwned(one))) {
    const kept = early.at(-1);
    const claimed = kept && predicted.some((q) => kept.knownAt < q && q <= each.knownAt);
    // The first one of an id is kept for `within`; others are refused meanwhile.
    if (!kept || claimed || kept.knownAt + withinMs < each.knownAt) early.push(each);
  }
  for (const q of predicted) {
    const own = known.find((each) => isOwned(each) && each.knownAt >= q);
    const before = early.find((each) => each.knownAt < q && q <= each.knownAt + withinMs);
    if (before) outcomes.push([id, q, truth(before)].join("|"));
    else if (own && own.knownAt < q + withinMs) {
      outcomes.push([id, own.knownAt, truth(own)].join("|"));
    } else if (q + withinMs < end) {
      const unlabelled = label.unlabelled === "negative" ? "assumed 0" : "unlabelled";
      outcomes.push([id, q + withinMs, unlabelled].join("|"));
    }
  }
}
