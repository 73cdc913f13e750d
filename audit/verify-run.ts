import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import type { RecordReader } from "../broker/record-batch/reader.ts";
import { planOnSources } from "../runtime/engine/plan-on-sources.ts";
import { offlineEncoders } from "../runtime/offline/tables.ts";
import { readAcceptedGaps } from "../runtime/row-topics/accepted-gaps.ts";
import { readTallies } from "../runtime/row-topics/tally.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceDecoder } from "../runtime/schema-registry/source-codec.ts";
import { deadLetter, lateRecord } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import {
  type AvroSchema,
  type LabelSpec,
  type Plan,
  type ScoringSpec,
  type SourceSpec,
  stepsOf,
} from "../schemas/plan.ts";
import { nameOfStep, passedBy } from "../schemas/steps/steps.ts";
import {
  copiedThrough,
  keepsAll,
  type TransformSpec,
  through,
} from "../schemas/transforms/through.ts";
import type { OfflineStore } from "../sinks/store.ts";
import { committedValues } from "./committed-values.ts";
import { checkTable, named, type TableCheck } from "./table-check.ts";

export interface VerifyOptions {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly offline: OfflineStore;
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
  /** Offsets that a run went on without, because it was told to. */
  readonly missing: number;
}

export interface ScoringCheck {
  readonly scoring: string;
  /** Distinct keys among the records that were neither late nor refused. */
  readonly expected: number;
  readonly predictions: number;
  readonly outcomes: number;
  readonly labelled: number;
  readonly pending: number;
}

export interface VerifyReport {
  readonly sources: readonly SourceCheck[];
  readonly scorings: readonly ScoringCheck[];
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
  const plan = await planOnSources(broker, given.plan);
  const options = { ...given, plan };
  const problems: string[] = [];
  const encoders = offlineEncoders(plan, registry);
  const steps = 1 + plan.sources.length + stepsOf(plan, "scoring").length + encoders.length;
  let step = 0;
  const next = (what: string) => options.onStep?.(step++ / steps, `counting ${what}`);
  next("what was refused");
  const late = await rejectedOffsets(options, "late", lateRecord);
  const dead = await rejectedOffsets(options, "dead-letters", deadLetter);
  const oversize = await oversizeKeys(options);
  const sources: SourceCheck[] = [];
  for (const { topic } of plan.sources) {
    next(topic);
    const partitions = partitionsOf(plan, topic);
    const gaps = await readAcceptedGaps(broker, plan.name, topic, partitions);
    for (let partition = 0; partition < partitions; partition++) {
      const counted = await checkSource(broker, topic, partition, late, dead, problems);
      sources.push({ ...counted, missing: gaps[partition]?.missing ?? 0 });
    }
    problems.push(...(await unreadPartitions(broker, plan, topic)));
  }
  const scorings: ScoringCheck[] = [];
  for (const scoring of stepsOf(plan, "scoring")) {
    next(scoring.topic);
    const rejected = (place: string, offset: number) =>
      late.get(place)?.has(offset) === true || dead.get(place)?.has(offset) === true;
    scorings.push(await checkScoring(options, scoring, rejected, oversize, problems));
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

type Keys = ReadonlyMap<string, ReadonlySet<string>>;

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

/** By `topic/partition`: keys of what was too large for the topic, and is a dead letter instead. */
async function oversizeKeys({ plan, broker, registry }: VerifyOptions): Promise<Keys> {
  const keys = new Map<string, Set<string>>();
  const decoder = new AvroDecoder(registry, deadLetter);
  for (const topic of plan.topics.filter(({ role }) => role === "dead-letters")) {
    for (let partition = 0; partition < topic.partitions; partition++) {
      for await (const { value } of committedValues(broker, topic.name, partition, decoder)) {
        if (value["code"] !== "DERIVED_OVERSIZE") continue;
        const place = `${value["topic"]}/${value["partition"]}`;
        const known = keys.get(place) ?? new Set();
        keys.set(place, known.add(String(value["key"])));
      }
    }
  }
  return keys;
}

function partitionsOf(plan: Plan, topic: string): number {
  return plan.topics.find(({ name }) => name === topic)?.partitions ?? 1;
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
  broker: Broker,
  source: string,
  partition: number,
  late: Offsets,
  dead: Offsets,
  problems: string[],
): Promise<Omit<SourceCheck, "missing">> {
  const place = `${source}/${partition}`;
  const rejected = new Set([...(late.get(place) ?? []), ...(dead.get(place) ?? [])]);
  const both = [...(late.get(place) ?? [])].filter((offset) => dead.get(place)?.has(offset));
  if (both.length > 0) problems.push(`${place}: both late and refused, offsets ${named(both)}`);
  let records = 0;
  await readCommitted(broker, source, partition, ({ offset }) => {
    records++;
    rejected.delete(offset);
  });
  if (rejected.size > 0) {
    problems.push(
      `${place}: late or refused, but not in the topic: offsets ${named([...rejected])}`,
    );
  }
  const sizes = { late: late.get(place)?.size ?? 0, deadLettered: dead.get(place)?.size ?? 0 };
  return { source, partition, records, ...sizes };
}

async function checkScoring(
  { plan, broker, registry }: VerifyOptions,
  scoring: ScoringSpec,
  rejected: (place: string, offset: number) => boolean,
  oversize: Keys,
  problems: string[],
): Promise<ScoringCheck> {
  const label = stepsOf(plan, "label").find((each) => each.predictions === scoring.name);
  const total = { expected: 0, predictions: 0, outcomes: 0, labelled: 0, pending: 0 };
  const read = readFor(plan, scoring);
  const { topic, partitionField, repartitioned } = read.source;
  const isKey =
    partitionField === scoring.keyField &&
    !repartitioned &&
    read.specs.length === 0 &&
    partitionsOf(plan, topic) === plan.partitions;
  const ids = isKey ? null : await acceptedIds(broker, registry, plan, read, rejected);
  for (let partition = 0; partition < plan.partitions; partition++) {
    const expected = ids?.[partition] ?? new Set<string>();
    if (ids === null) {
      await readCommitted(broker, topic, partition, (reader) => {
        if (!rejected(`${topic}/${partition}`, reader.offset)) expected.add(keyOf(reader));
      });
    }
    const predicted = await keysOnce(broker, scoring.topic, partition, problems);
    const place = `${scoring.topic}/${partition}`;
    const unsent = oversize.get(place) ?? new Set<string>();
    for (const key of unsent) if (!predicted.has(key)) expected.delete(key);
    // Which of the records of a value was the first does not stand in the topics.
    if (!read.isWhole) for (const key of expected) if (!predicted.has(key)) expected.delete(key);
    compare(place, expected, predicted, problems);
    total.expected += expected.size;
    total.predictions += predicted.size;
    if (label === undefined) continue;
    const outcomes = await keysOnce(broker, label.topic, partition, problems);
    const strange = [...outcomes].filter((key) => !predicted.has(key) && !unsent.has(key));
    if (strange.length > 0) {
      problems.push(`${label.topic}/${partition}: outcomes without prediction: ${named(strange)}`);
    }
    total.outcomes += outcomes.size;
    total.pending += predicted.size - outcomes.size + strange.length;
    total.labelled += await countLabelled(broker, registry, plan, label, partition);
  }
  return { scoring: scoring.name, ...total };
}

/** What leads from a topic to a step. */
interface Read {
  readonly source: SourceSpec;
  readonly specs: readonly TransformSpec[];
  /** The id of the step in what comes out. */
  readonly keyField: string;
  /** Whether every id that comes out is one that the step has; else some were left out. */
  readonly isWhole: boolean;
}

/** Follows a step back to its source: where each id comes once, one record of each is left. */
function readFor(
  plan: Plan,
  {
    name,
    source: from,
    through: specs = [],
    keyField,
  }: Pick<ScoringSpec, "name" | "source" | "through" | "keyField">,
): Read {
  const source = plan.sources.find(({ topic }) => topic === from);
  if (source !== undefined) return { source, specs, keyField, isWhole: true };
  const step = plan.steps.find((each) => nameOfStep(each) === from);
  const passed = step === undefined ? null : passedBy(step);
  if (passed === null) throw new RangeError(`${name} has no source in the plan`);
  const isId = copiedThrough(specs, keyField) === passed.onceBy;
  const before = readFor(plan, { ...passed, name: from, keyField });
  return {
    ...before,
    specs: [...before.specs, ...specs],
    isWhole: before.isWhole && isId && keepsAll(specs),
  };
}

/**
 * Ids of the accepted records that a step takes, which stand in their values alone, by partition
 * of their task.
 */
async function acceptedIds(
  broker: Broker,
  registry: SchemaRegistry,
  plan: Plan,
  { source, specs, keyField }: Read,
  rejected: (place: string, offset: number) => boolean,
): Promise<readonly Set<string>[]> {
  const ids = Array.from({ length: plan.partitions }, () => new Set<string>());
  const { topic } = source;
  const decoder = sourceDecoder(registry, source);
  const derive = through(specs);
  for (let partition = 0; partition < partitionsOf(plan, topic); partition++) {
    const place = `${topic}/${partition}`;
    // What cannot be decoded was refused: it is not looked at.
    const isWanted = (offset: number) => !rejected(place, offset);
    const values = committedValues(broker, topic, partition, decoder, isWanted);
    for await (const { value } of values) {
      const taken = derive(value);
      if (taken === null) continue;
      const id = String(taken[keyField]);
      ids[partitionOf(id, plan.partitions)]?.add(id);
    }
  }
  return ids;
}

function compare(
  place: string,
  expected: ReadonlySet<string>,
  predicted: ReadonlySet<string>,
  problems: string[],
): void {
  const missing = [...expected].filter((key) => !predicted.has(key));
  const strange = [...predicted].filter((key) => !expected.has(key));
  if (missing.length > 0) {
    problems.push(`${place}: ${missing.length} records have no prediction: ${named(missing)}`);
  }
  if (strange.length > 0) {
    problems.push(`${place}: ${strange.length} predictions of no record: ${named(strange)}`);
  }
}

/** Keys of a partition; one that comes twice is a problem. */
async function keysOnce(
  broker: Broker,
  topic: string,
  partition: number,
  problems: string[],
): Promise<Set<string>> {
  const keys = new Set<string>();
  const twice: string[] = [];
  await readCommitted(broker, topic, partition, (reader) => {
    const key = keyOf(reader);
    if (keys.has(key)) twice.push(key);
    keys.add(key);
  });
  if (twice.length > 0) problems.push(`${topic}/${partition}: more than once: ${named(twice)}`);
  return keys;
}

async function countLabelled(
  broker: Broker,
  registry: SchemaRegistry,
  plan: Plan,
  label: LabelSpec,
  partition: number,
): Promise<number> {
  const schema = schemaOf(plan, label.topic);
  if (schema === null) return 0;
  const decoder = new AvroDecoder(registry, schema);
  let labelled = 0;
  for await (const { value } of committedValues(broker, label.topic, partition, decoder)) {
    if (value["labelled"] === true) labelled++;
  }
  return labelled;
}

function schemaOf(plan: Plan, topic: string): AvroSchema | null {
  for (const { outputs } of plan.subtopologies) {
    for (const output of outputs) {
      if (output.kind === "topic" && output.topic === topic) return output.schema;
    }
  }
  return null;
}

function keyOf({ buffer, keyStart, keyEnd }: RecordReader): string {
  return keyStart < 0 ? "" : buffer.toString("utf8", keyStart, keyEnd);
}
