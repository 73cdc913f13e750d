import { evaluate, type Scalar } from "../schemas/expression.ts";
import { entityKey, type FeatureViewSpec, viewId } from "../schemas/feature-view.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import {
  type DedupSpec,
  type LabelSpec,
  type Plan,
  type ScoringSpec,
  type SourceSpec,
  stepsOf,
} from "../schemas/plan.ts";
import { through } from "../schemas/transforms/through.ts";
import { at, features, type Known, rowsOf, text } from "./view-oracle.ts";

/**
 * One entry of a source partition's log, in offset order: a record or a watermark in force there.
 */
export type LogEntry =
  | { readonly record: Readonly<Record<string, unknown>> }
  | { readonly before: number };

/** Logs of every source partition: topic → partition → entries. */
export type SourceLogs = ReadonlyMap<string, readonly (readonly LogEntry[])[]>;

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
  const eventsOf = new Map<string, Map<string, Known[]>>();
  const end = endOfInput(logs);
  const output = { predictions: [] as string[], outcomes: [] as string[] };
  passOn(plan, known, eventsOf);
  for (const scoring of stepsOf(plan, "scoring")) {
    const label = stepsOf(plan, "label").find((each) => each.predictions === scoring.name);
    const { predictions, outcomes } = scored(plan, scoring, label, known, eventsOf, end);
    known.set(scoring.name, predictions);
    if (label !== undefined) known.set(label.name, outcomes);
    output.predictions.push(...predictions.map(predictionText));
    output.outcomes.push(...outcomes.map(outcomeText));
    passOn(plan, known, eventsOf);
  }
  return {
    late: late.sort(),
    rows: stepsOf(plan, "view")
      .flatMap((view) => rowsOf(view, eventsOf.get(viewId(view)), end))
      .sort(),
    predictions: output.predictions.sort(),
    outcomes: output.outcomes.sort(),
  };
}

/** What steps make of the records that are known so far. */
function passOn(
  plan: Plan,
  known: Map<string, Known[]>,
  eventsOf: Map<string, Map<string, Known[]>>,
): void {
  const dedups = stepsOf(plan, "dedup");
  // One may take what another one passes on.
  for (const _ of dedups) {
    for (const dedup of dedups) {
      if (!known.has(dedup.source) || known.has(dedup.name)) continue;
      known.set(dedup.name, deduped(dedup, streamOf(dedup, known), plan.partitions));
    }
  }
  for (const view of stepsOf(plan, "view")) {
    if (!known.has(view.source) || eventsOf.has(viewId(view))) continue;
    eventsOf.set(viewId(view), byEntity(view, streamOf(view, known)));
  }
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

/** A prediction or an outcome, in the order in which its task makes those of an instant. */
interface Made extends Known {
  readonly order: readonly number[];
}

function inTasks(made: readonly Made[]): Known[] {
  const before = (a: Made, b: Made) => {
    const i = a.order.findIndex((each, at) => each !== b.order[at]);
    return i < 0 ? 0 : (a.order[i] as number) - (b.order[i] as number);
  };
  const sorted = [...made].sort((a, b) => a.knownAt - b.knownAt || before(a, b));
  return sorted.map((each, index) => ({ ...each, index })).sort(inOrder);
}

function scored(
  plan: Plan,
  scoring: ScoringSpec,
  label: LabelSpec | undefined,
  known: ReadonlyMap<string, readonly Known[]>,
  eventsOf: ReadonlyMap<string, Map<string, Known[]>>,
  end: number,
): { predictions: Known[]; outcomes: Known[] } {
  const predicted = new Map<string, Made[]>();
  for (const [rank, trigger] of streamOf(scoring, known).entries()) {
    if (trigger.knownAt >= end) continue;
    const id = String(trigger.record[scoring.keyField]);
    const earlier = predicted.get(id) ?? [];
    predicted.set(id, earlier);
    const last = earlier.at(-1);
    if (
      label !== undefined &&
      last !== undefined &&
      trigger.knownAt <= last.knownAt + label.withinMs
    ) {
      continue;
    }
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
    const vector = [...values, ...request].map((value, i) => [
      `features.${scoring.features[i]}`,
      value,
    ]);
    const keys = Object.entries(trigger.record).map(([name, value]) => [`keys.${name}`, value]);
    const { time, knownAt } = trigger;
    earlier.push({
      ...{ time, knownAt, index: 0, partition: partitionOf(id, plan.partitions), order: [rank] },
      record: { id, knownAt, ...Object.fromEntries([...keys, ...vector]) },
    });
  }
  const labels = label === undefined ? [] : streamOf(label, known);
  const outcomes = [...predicted].flatMap(([id, own]) =>
    label === undefined
      ? []
      : joinLabels(
          own,
          label,
          labels.filter((each) => String(each.record[label.keyField]) === id),
          end,
          (each) => labels.indexOf(each),
        ),
  );
  return { predictions: inTasks([...predicted.values()].flat()), outcomes: inTasks(outcomes) };
}

/**
 * Outcomes of the predictions of one id, which are more than `within` apart. A label belongs to the
 * last prediction before it, for 2 × within; else it is early and waits for the next one.
 * A trigger of its own instant is processed first (look-ups and triggers precede updates).
 */
function joinLabels(
  predicted: readonly Made[],
  label: LabelSpec,
  labels: readonly Known[],
  end: number,
  rankOf: (label: Known) => number,
): Made[] {
  const { withinMs } = label;
  const truth = (each: Known) => (evaluate(label.label, each.record) ? 1 : 0);
  const known = labels.filter(
    (each) => each.knownAt < end && evaluate(label.label, each.record) !== null,
  );
  const isOwned = (each: Known) =>
    predicted.some(({ knownAt: q }) => q <= each.knownAt && each.knownAt <= q + 2 * withinMs);
  const early: Known[] = [];
  for (const each of known.filter((one) => !isOwned(one))) {
    const kept = early.at(-1);
    const claimed =
      kept && predicted.some(({ knownAt: q }) => kept.knownAt < q && q <= each.knownAt);
    // The first one of an id is kept for `within`; others are refused meanwhile.
    if (!kept || claimed || kept.knownAt + withinMs < each.knownAt) early.push(each);
  }
  return predicted.flatMap((prediction) => {
    const { knownAt: q, order } = prediction;
    const outcome = (knownAt: number, of: Known | null, rank: readonly number[]): Made => {
      const unlabelled = label.unlabelled === "negative" ? false : null;
      const told = {
        ...{ predictedAt: q, knownAt, labelled: of !== null },
        label: of === null ? unlabelled : truth(of) === 1,
        labelEventTime: of === null ? null : of.time,
      };
      return {
        ...prediction,
        knownAt,
        time: knownAt,
        order: rank,
        record: { ...prediction.record, ...told },
      };
    };
    const own = known.find((each) => isOwned(each) && each.knownAt >= q);
    const before = early.find((each) => each.knownAt < q && q <= each.knownAt + withinMs);
    // Of an instant triggers come first, then timers, then labels.
    if (before) return [outcome(q, before, [0, ...order])];
    if (own && own.knownAt < q + withinMs) return [outcome(own.knownAt, own, [2, rankOf(own)])];
    return q + withinMs < end ? [outcome(q + withinMs, null, [1, ...order])] : [];
  });
}

/** `id|knownAt|features`. */
function predictionText({ record }: Known): string {
  const vector = Object.entries(record).filter(([name]) => name.startsWith("features."));
  return [record["id"], record["knownAt"], text(vector.map(([, value]) => value as Scalar))].join(
    "|",
  );
}

/** `id|knownAt|label`. */
function outcomeText({ record }: Known): string {
  const { labelled, label } = record;
  const told = labelled ? Number(label) : label === null ? "unlabelled" : "assumed 0";
  return [record["id"], record["knownAt"], told].join("|");
}
