import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import { planAsRead } from "../runtime/engine/plan-on-sources.ts";
import { reachedIn } from "../runtime/engine/source-position.ts";
import { offlineEncoders } from "../runtime/offline/tables.ts";
import { readAcceptedGaps } from "../runtime/row-topics/accepted-gaps.ts";
import { readTallies } from "../runtime/row-topics/tally.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { deadLetter, lateRecord } from "../schemas/generated.ts";
import type { AvroSchema, Plan } from "../schemas/plan.ts";
import { predictionsOf } from "../schemas/plan-facts.ts";
import type { OfflineStore } from "../sinks/store.ts";
import { checkPredictions, type PredictionCheck, partitionsOf } from "./check-predictions.ts";
import { committedValues } from "./committed-values.ts";
import { readDerivedLetters } from "./derived-letters.ts";
import { checkTable, named, type TableCheck } from "./table-check.ts";
import { neverThere } from "./taken-records.ts";

export interface VerifyOptions {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly offline: OfflineStore;
  /** Whether the run was live: then what came after its end waits for the next. @default false */
  readonly live?: boolean;
  /** Told what is counted next and what share is done. @default nobody */
  readonly onStep?: (share: number, what: string) => void;
}

/** A source partition, counted from topics alone. */
export interface SourceCheck {
  readonly source: string;
  readonly partition: number;
  /** Committed records, counted by reading. */
  readonly records: number;
  readonly late: number;
  readonly deadLettered: number;
  /** Those of them that came after the end of a live run, and wait for the next. */
  readonly awaiting: number;
  /** Offsets that a run went on without, because it was told to. */
  readonly missing: number;
}

export interface VerifyReport {
  readonly sources: readonly SourceCheck[];
  /** One a step that predicts. */
  readonly scorings: readonly PredictionCheck[];
  readonly tables: readonly TableCheck[];
  /** Empty when everything is there, once. */
  readonly problems: readonly string[];
}

/**
 * Recomputes from topics and ClickHouse what must be there: each accepted record of a triggering
 * source has one prediction, each outcome one prediction, each committed record one row. Shares no
 * code with the counters of a run. Holds the keys of one partition in memory, and those of a whole
 * source whose records are told apart by another field than their key.
 */
export async function verifyRun(given: VerifyOptions): Promise<VerifyReport> {
  const { broker, registry, offline } = given;
  const plan = await planAsRead(broker, given.plan);
  const options = { ...given, plan };
  const problems: string[] = [];
  const encoders = offlineEncoders(plan, registry);
  const steps = 1 + plan.sources.length + predictionsOf(plan).length + encoders.length;
  let step = 0;
  const next = (what: string) => options.onStep?.(step++ / steps, `counting ${what}`);
  next("what was refused");
  const late = await rejectedOffsets(options, "late", lateRecord);
  const dead = await rejectedOffsets(options, "dead-letters", deadLetter);
  const derived = await readDerivedLetters(broker, registry, plan);
  const reached = new Map(
    (given.live === true ? await reachedIn(broker, plan) : []).map((each) => [
      `${each.topic}/${each.partition}`,
      each.offset,
    ]),
  );
  const isTaken = (place: string, offset: number) =>
    offset < (reached.get(place) ?? Number.POSITIVE_INFINITY);
  const sources: SourceCheck[] = [];
  for (const { topic } of plan.sources) {
    next(topic);
    const partitions = partitionsOf(plan, topic);
    const gaps = await readAcceptedGaps(broker, plan.name, topic, partitions);
    for (let partition = 0; partition < partitions; partition++) {
      const counted = await checkSource(options, topic, partition, late, dead, isTaken, problems);
      sources.push({ ...counted, missing: gaps[partition]?.missing ?? 0 });
    }
    problems.push(...(await unreadPartitions(broker, plan, topic)));
  }
  const scorings: PredictionCheck[] = [];
  for (const predictions of predictionsOf(plan)) {
    next(predictions.topic);
    const rejected = (place: string, offset: number) =>
      late.get(place)?.has(offset) === true ||
      dead.get(place)?.has(offset) === true ||
      !isTaken(place, offset);
    const world = { plan, broker, registry, rejected, derived };
    scorings.push(await checkPredictions(world, predictions, problems));
  }
  const tables: TableCheck[] = [];
  for (const { topic, encoder } of encoders) {
    next(encoder.table.name);
    const partitions = partitionsOf(plan, topic);
    const role = plan.topics.find((each) => each.name === topic)?.role;
    const [{ id: topicId = "" } = {}] = await broker.describeTopics([topic]);
    const check = await checkTable(broker, offline, {
      table: encoder.table,
      topic,
      topicId,
      partitions,
      gaps: await readAcceptedGaps(broker, plan.name, topic, partitions),
      tallies: role === "rows" ? await readTallies(broker, plan.name, topic, partitions) : [],
    });
    tables.push(check);
    problems.push(...check.problems);
  }
  return { sources, scorings, tables, problems };
}

/** By `topic/partition`: offsets of its records. */
type Offsets = ReadonlyMap<string, ReadonlySet<number>>;

/** Where the late records or the dead letters came from. */
async function rejectedOffsets(
  { plan, broker, registry }: VerifyOptions,
  role: "late" | "dead-letters",
  schema: AvroSchema,
): Promise<Offsets> {
  const offsets = new Map<string, Set<number>>();
  const decoder = new AvroDecoder(registry, schema);
  for (const topic of plan.topics.filter((each) => each.role === role)) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      for await (const { value } of committedValues(broker, topic.name, partition, decoder)) {
        const place = `${value["topic"]}/${value["partition"]}`;
        const known = offsets.get(place) ?? new Set();
        offsets.set(place, known.add(Number(value["offset"])));
      }
    }
  }
  return offsets;
}

/** Partitions that were added to a source: the plan reads none of them. */
async function unreadPartitions(broker: Broker, plan: Plan, source: string): Promise<string[]> {
  const [{ partitions = 0 } = {}] = await broker.describeTopics([source]);
  const problems: string[] = [];
  for (let partition = partitionsOf(plan, source); partition < partitions; partition++) {
    let records = 0;
    await readCommitted(broker, source, partition, () => {
      records++;
    });
    problems.push(`${source}/${partition}: nobody reads it: ${records} records`);
  }
  return problems;
}

async function checkSource(
  { broker }: VerifyOptions,
  source: string,
  partition: number,
  late: Offsets,
  dead: Offsets,
  isTaken: (place: string, offset: number) => boolean,
  problems: string[],
): Promise<Omit<SourceCheck, "missing">> {
  const place = `${source}/${partition}`;
  const rejected = new Set([...(late.get(place) ?? []), ...(dead.get(place) ?? [])]);
  const both = [...(late.get(place) ?? [])].filter((offset) => dead.get(place)?.has(offset));
  if (both.length > 0) problems.push(`${place}: both late and refused, offsets ${named(both)}`);
  let [records, awaiting] = [0, 0];
  await readCommitted(broker, source, partition, ({ offset }) => {
    records++;
    if (!isTaken(place, offset)) awaiting++;
    rejected.delete(offset);
  });
  const strange = await neverThere(broker, source, partition, [...rejected]);
  if (strange.length > 0) {
    problems.push(`${place}: late or refused, but not in the topic: offsets ${named(strange)}`);
  }
  const sizes = { late: late.get(place)?.size ?? 0, deadLettered: dead.get(place)?.size ?? 0 };
  return { source, partition, records, awaiting, ...sizes };
}
