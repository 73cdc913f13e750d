import type { Plan, SourceSpec } from "../schemas/plan.ts";
import { usualMaxJumpMs } from "../schemas/source-time.ts";
import { nameOfStep } from "../schemas/steps/steps.ts";
import { oracleOf } from "./oracle/registry.ts";
import { inOrder, type Known, type World } from "./oracle/step-oracle.ts";

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
  /** Of records that jump further than their source admits: `topic|id`. */
  readonly ahead: string[];
}

/** By topic and partition the instant before which nothing in it was known: it was added then. */
export type Floors = ReadonlyMap<string, ReadonlyMap<number, number>>;

/**
 * Everything a plan must produce, from the definitions alone: one step after the other over all
 * records in order, each as soon as all that it takes is known. For tests of a few thousand
 * records.
 *
 * @param floors - of partitions that were added while the plan ran. @default there are none
 * @throws {RangeError} where steps wait for one another.
 */
export function sequentialOracle(
  plan: Plan,
  logs: SourceLogs,
  floors: Floors = new Map(),
): OracleOutput {
  const [late, ahead]: [string[], string[]] = [[], []];
  const known = new Map<string, readonly Known[]>(
    plan.sources.map((source) => [source.topic, stamp(source, logs, floors, { late, ahead })]),
  );
  const world: World = {
    ...{ plan, known, end: endOfInput(logs), made: new Map(), eventsOf: new Map() },
    ...{ rows: [], predictions: [], outcomes: [] },
  };
  const done = new Set(known.keys());
  const open = plan.steps.filter((step) => oracleOf(step) !== null);
  while (open.length > 0) {
    const next = open.findIndex((step) =>
      oracleOf(step)
        ?.needs(step.spec)
        .every((name) => done.has(name)),
    );
    const [step] = open.splice(next, 1);
    if (next < 0 || step === undefined) throw new RangeError("steps wait for one another");
    oracleOf(step)?.add(step.spec, world);
    done.add(nameOfStep(step));
  }
  const { rows, predictions, outcomes } = world;
  for (const told of [late, ahead, rows, predictions, outcomes]) told.sort();
  return { late, ahead, rows, predictions, outcomes };
}

function stamp(
  source: SourceSpec,
  logs: SourceLogs,
  floors: Floors,
  { late, ahead }: { readonly late: string[]; readonly ahead: string[] },
): Known[] {
  const { maxJumpMs = usualMaxJumpMs } = source;
  const all: Known[] = [];
  for (const [partition, log] of (logs.get(source.topic) ?? []).entries()) {
    const floor = floors.get(source.topic)?.get(partition) ?? Number.NEGATIVE_INFINITY;
    let streamTime = Number.NEGATIVE_INFINITY;
    for (const [index, entry] of log.entries()) {
      if ("before" in entry) {
        streamTime = Math.max(streamTime, entry.before);
        continue;
      }
      const time = Number(entry.record[source.timeField]);
      if (streamTime !== Number.NEGATIVE_INFINITY && time > streamTime + maxJumpMs) {
        ahead.push(`${source.topic}|${entry.record[source.partitionField]}`);
        continue;
      }
      if (time < streamTime - source.latenessMs) {
        late.push(`${source.topic}|${entry.record[source.partitionField]}`);
        continue;
      }
      streamTime = Math.max(streamTime, time);
      const knownAt = Math.max(streamTime, floor);
      all.push({ knownAt, time, partition, index, record: entry.record });
    }
  }
  return all.sort(inOrder);
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
