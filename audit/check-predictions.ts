import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import type { RecordReader } from "../broker/record-batch/reader.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceDecoder } from "../runtime/schema-registry/source-codec.ts";
import { ClosureFailure } from "../schemas/expression.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type {
  AvroSchema,
  OutcomeFacts,
  Plan,
  PredictionFacts,
  SourceSpec,
} from "../schemas/plan.ts";
import { outcomesFor } from "../schemas/plan-facts.ts";
import { nameOfStep, passedBy } from "../schemas/steps/steps.ts";
import {
  copiedThrough,
  keepsAll,
  type TransformSpec,
  through,
} from "../schemas/transforms/through.ts";
import { committedValues } from "./committed-values.ts";
import type { DerivedLetters } from "./derived-letters.ts";
import { named } from "./table-check.ts";
import { neverThere } from "./taken-records.ts";

export interface PredictionCheck {
  /** Name of the step. */
  readonly scoring: string;
  /** Distinct keys among the records that were neither late nor refused. */
  readonly expected: number;
  readonly predictions: number;
  readonly outcomes: number;
  readonly labelled: number;
  /** Outcomes without a label that say false: their step takes such for negative. */
  readonly takenForNegative: number;
  readonly pending: number;
}

/** What the topics say of the records of a run, whoever asks. */
export interface PredictionWorld {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** Whether a record of a source (`topic/partition`) was late, or a dead letter. */
  readonly rejected: (place: string, offset: number) => boolean;
  readonly derived: DerivedLetters;
}

/**
 * Whether each id of the accepted records has a prediction, and each outcome one. An id that was
 * refused on the way, or whose prediction was, needs none.
 */
export async function checkPredictions(
  world: PredictionWorld,
  asked: PredictionFacts,
  problems: string[],
): Promise<PredictionCheck> {
  const { plan, broker, registry, rejected, derived } = world;
  const found = outcomesFor(plan, asked);
  const total = {
    expected: 0,
    predictions: 0,
    outcomes: 0,
    labelled: 0,
    takenForNegative: 0,
    pending: 0,
  };
  const read = readFor(plan, asked);
  const { topic, partitionField, repartitioned } = read.source;
  const refused = derived.refusedOnTheWay(asked.name, read.steps, read.source.topic);
  const isKey =
    refused.size === 0 &&
    partitionField === asked.keyField &&
    !repartitioned &&
    read.specs.length === 0 &&
    partitionsOf(plan, topic) === plan.partitions;
  const isLost = (place: string, offset: number) => refused.get(place)?.has(offset) === true;
  const { ids, lost } = isKey ? { ids: null, lost: null } : await readIds(world, read, isLost);
  for (let partition = 0; partition < plan.partitions; partition++) {
    const expected = ids?.[partition] ?? new Set<string>();
    if (ids === null) {
      await readCommitted(broker, topic, partition, (reader) => {
        if (!rejected(`${topic}/${partition}`, reader.offset)) expected.add(keyOf(reader));
      });
    }
    const predicted = await keysOnce(
      world,
      asked,
      ["sourcePartition", "sourceOffset"],
      partition,
      problems,
    );
    const place = `${asked.topic}/${partition}`;
    const unsent = derived.keysOf(asked.topic, partition);
    const unasked = derived.idsOf(asked.name, partition);
    for (const keys of [unsent, unasked, lost?.[partition] ?? []]) {
      for (const key of keys) if (!predicted.has(key)) expected.delete(key);
    }
    // Which of the records of a value was the first does not stand in the topics.
    if (!read.isWhole) for (const key of expected) if (!predicted.has(key)) expected.delete(key);
    const others = new Set([...predicted].filter((key) => !expected.has(key)));
    for (const key of await ofTaken(world, asked, read, partition, others)) expected.add(key);
    compare(place, expected, predicted, problems);
    total.expected += expected.size;
    total.predictions += predicted.size;
    if (found === undefined) continue;
    const outcomes = await keysOnce(
      world,
      { topic: found.topic, keyField: asked.keyField },
      ["predictedAt"],
      partition,
      problems,
    );
    const strange = [...outcomes].filter((key) => !predicted.has(key) && !unsent.has(key));
    if (strange.length > 0) {
      problems.push(`${found.topic}/${partition}: outcomes without prediction: ${named(strange)}`);
    }
    total.outcomes += outcomes.size;
    total.pending += predicted.size - outcomes.size + strange.length;
    const known = await countKnown(broker, registry, plan, found, partition);
    total.labelled += known.labelled;
    total.takenForNegative += known.takenForNegative;
  }
  return { scoring: asked.name, ...total };
}

/** What leads from a topic to a step. */
interface Read {
  readonly source: SourceSpec;
  readonly specs: readonly TransformSpec[];
  /** The id of the step in what comes out. */
  readonly keyField: string;
  /** Steps that pass on what the step takes, the nearest first. */
  readonly steps: readonly string[];
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
  }: Pick<PredictionFacts, "name" | "source" | "through" | "keyField">,
): Read {
  const source = plan.sources.find(({ topic }) => topic === from);
  if (source !== undefined) return { source, specs, keyField, steps: [], isWhole: true };
  const step = plan.steps.find((each) => nameOfStep(each) === from);
  const passed = step === undefined ? null : passedBy(step);
  if (passed === null) throw new RangeError(`${name} has no source in the plan`);
  const isId = copiedThrough(specs, keyField) === passed.onceBy;
  const before = readFor(plan, { ...passed, name: from, keyField });
  return {
    ...before,
    specs: [...before.specs, ...specs],
    steps: [from, ...before.steps],
    isWhole: before.isWhole && isId && keepsAll(specs),
  };
}

/**
 * Ids of the accepted records that a step takes, which stand in their values alone, by partition
 * of their task; and of those of which a record was lost on the way.
 */
async function readIds(
  { plan, broker, registry, rejected }: PredictionWorld,
  { source, specs, keyField }: Read,
  isLost: (place: string, offset: number) => boolean,
): Promise<{ readonly ids: readonly Set<string>[]; readonly lost: readonly Set<string>[] }> {
  const none = () => Array.from({ length: plan.partitions }, () => new Set<string>());
  const [ids, lost] = [none(), none()];
  const { topic } = source;
  const decoder = sourceDecoder(registry, source);
  const derive = through(specs);
  for (let partition = 0; partition < partitionsOf(plan, topic); partition++) {
    const place = `${topic}/${partition}`;
    // What cannot be decoded was refused: it is not looked at.
    const isWanted = (offset: number) => !rejected(place, offset);
    const values = committedValues(broker, topic, partition, decoder, isWanted);
    for await (const { offset, value } of values) {
      const taken = takenOf(() => derive(value));
      if (taken === null) continue;
      const id = String(taken[keyField]);
      const task = partitionOf(id, plan.partitions);
      ids[task]?.add(id);
      if (isLost(place, offset)) lost[task]?.add(id);
    }
  }
  return { ids, lost };
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

/**
 * Keys of a partition. One may come again, with another record of its source; twice of one record
 * is a problem.
 *
 * @param record - fields that tell one record from another of its key.
 */
async function keysOnce(
  { plan, broker, registry }: PredictionWorld,
  { topic, keyField }: { readonly topic: string; readonly keyField: string },
  record: readonly string[],
  partition: number,
  problems: string[],
): Promise<Set<string>> {
  const keys = new Set<string>();
  const again = new Set<string>();
  await readCommitted(broker, topic, partition, (reader) => {
    const key = keyOf(reader);
    if (keys.has(key)) again.add(key);
    keys.add(key);
  });
  const schema = schemaOf(plan, topic);
  if (again.size === 0 || schema === null) return keys;
  const decoder = new AvroDecoder(registry, schema);
  const records = new Set<string>();
  const twice: string[] = [];
  for await (const { value } of committedValues(broker, topic, partition, decoder)) {
    const key = String(value[keyField]);
    if (!again.has(key)) continue;
    const one = [key, ...record.map((field) => String(value[field]))].join(" ");
    if (records.has(one)) twice.push(key);
    records.add(one);
  }
  if (twice.length > 0) problems.push(`${topic}/${partition}: more than once: ${named(twice)}`);
  return keys;
}

/** Those of some keys all of whose records retention or compaction has taken since. */
async function ofTaken(
  { plan, broker, registry }: PredictionWorld,
  { topic, keyField }: { readonly topic: string; readonly keyField: string },
  { source }: Read,
  partition: number,
  keys: ReadonlySet<string>,
): Promise<readonly string[]> {
  const schema = schemaOf(plan, topic);
  if (keys.size === 0 || schema === null) return [];
  const offsets = new Map<number, Map<number, string>>();
  const decoder = new AvroDecoder(registry, schema);
  for await (const { value } of committedValues(broker, topic, partition, decoder)) {
    const key = String(value[keyField]);
    if (!keys.has(key)) continue;
    const from = Number(value["sourcePartition"]);
    const known = offsets.get(from) ?? new Map<number, string>();
    offsets.set(from, known.set(Number(value["sourceOffset"]), key));
  }
  const strange = new Set<string>();
  for (const [from, records] of offsets) {
    const there = await neverThere(broker, source.topic, from, [...records.keys()]);
    for (const offset of there) strange.add(records.get(offset) ?? "");
  }
  return [...keys].filter((key) => !strange.has(key));
}

async function countKnown(
  broker: Broker,
  registry: SchemaRegistry,
  plan: Plan,
  { topic }: OutcomeFacts,
  partition: number,
): Promise<Pick<PredictionCheck, "labelled" | "takenForNegative">> {
  const known = { labelled: 0, takenForNegative: 0 };
  const schema = schemaOf(plan, topic);
  if (schema === null) return known;
  const decoder = new AvroDecoder(registry, schema);
  for await (const { value } of committedValues(broker, topic, partition, decoder)) {
    const { labelled, label } = value;
    if (labelled === true) known.labelled++;
    else if (label === false) known.takenForNegative++;
  }
  return known;
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

/** As many as the topic has; a source as many as its topic. */
export function partitionsOf(plan: Plan, topic: string): number {
  return plan.topics.find(({ name }) => name === topic)?.partitions ?? 1;
}

/** What becomes of a record; null where a closure fails on it, and nobody took it. */
function takenOf<T>(take: () => T): T | null {
  try {
    return take();
  } catch (error) {
    if (error instanceof ClosureFailure) return null;
    throw error;
  }
}
