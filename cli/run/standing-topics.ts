import { committedValues } from "../../audit/committed-values.ts";
import type { Broker } from "../../broker/broker.ts";
import { committedPages, type PlainRecord } from "../../broker/committed-records.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { partitionsThere } from "../../runtime/engine/plan-on-sources.ts";
import type { SourceWatermark } from "../../runtime/engine/source-watermarks.ts";
import type { EventRange, Feeder } from "../../runtime/hosting/application-spec.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { AvroDecoder, AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { RecordDecoder } from "../../runtime/schema-registry/record-decoder.ts";
import { sourceDecoder } from "../../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { watermark } from "../../schemas/generated.ts";
import { type Plan, type SourceSpec, topologyOf } from "../../schemas/plan.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";

/** What stands in a source topic when a replay of it begins. */
interface Standing {
  readonly topic: string;
  /** Committed records before the ends. */
  readonly records: number;
  /** By partition where the replay ends. */
  readonly endOffsets: readonly number[];
  /** Least and highest event time before the ends, UTC ms; infinite where there is no record. */
  readonly least: number;
  readonly most: number;
}

/**
 * The feeder of an application without one: it sends no records, but says by source watermarks that
 * the source topics end where they stand now, so that a replay has an end.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names, when a source topic does not exist;
 * SOURCES_EMPTY when none of them holds a record that can be read.
 */
export async function standingTopics(
  plans: readonly Plan[],
  stack: Stack,
  config: Config,
): Promise<Feeder> {
  const { broker, registry } = stack;
  for (const plan of plans) await partitionsThere(broker, plan);
  const sources = new Map<string, SourceSpec>();
  for (const source of plans.flatMap((plan) => plan.sources)) sources.set(source.topic, source);
  const described = await broker.describeTopics([...sources.keys()]);
  const partitions = new Map(described.map((each) => [each.name, each.partitions]));
  const standing: Standing[] = [];
  for (const source of sources.values()) {
    const count = partitions.get(source.topic) ?? 0;
    standing.push(await standingIn(broker, sourceDecoder(registry, source), source, count));
  }
  const announced = await latestAnnounced(stack, plans, standing);
  const range = await rangeOf(standing, announced, config);
  return {
    range: () => range,
    replay: async () => {
      await announceEnds(stack, plans, standing, range.to);
      const sent = Object.fromEntries(standing.map(({ topic, records }) => [topic, records]));
      return { sent, sentNow: 0, complete: true };
    },
  };
}

async function standingIn(
  broker: Broker,
  decoder: RecordDecoder,
  { topic, timeField }: SourceSpec,
  partitions: number,
): Promise<Standing> {
  let [records, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const endOffsets: number[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const [end = 0] = await broker.listOffsets([{ topic, partition, at: "stable" }]);
    endOffsets.push(end);
    for await (const page of committedPages(broker, topic, partition)) {
      for (const record of page) {
        if (record.offset >= end) break;
        records++;
        const time = await eventTime(decoder, record, timeField);
        if (time === null) continue;
        least = Math.min(least, time);
        most = Math.max(most, time);
      }
    }
  }
  return { topic, records, endOffsets, least, most };
}

/** Null where the value cannot be read: the run says what is wrong with it. */
async function eventTime(
  decoder: RecordDecoder,
  record: PlainRecord,
  field: string,
): Promise<number | null> {
  const { value } = record;
  if (value === null) return null;
  let decoded = decoder.decode(value, 0, value.length, record);
  if (decoded.kind === "need-schema") {
    await decoder.resolve(decoded.id);
    decoded = decoder.decode(value, 0, value.length, record);
  }
  const time = decoded.kind === "value" ? Number(decoded.value[field] ?? Number.NaN) : Number.NaN;
  return Number.isFinite(time) ? time : null;
}

/** What a directory was begun with stays its start, whatever its topics still hold of it. */
async function rangeOf(
  standing: readonly Standing[],
  announced: number,
  config: Config,
): Promise<EventRange> {
  const least = Math.min(...standing.map((each) => each.least));
  const most = Math.max(...standing.map((each) => each.most));
  if (least > most) {
    const topics = standing.map(({ topic }) => topic).join(", ");
    throw new MillraceError("SOURCES_EMPTY", { topics });
  }
  const before = await readManifest(config.data);
  const from = before === null ? least : Date.parse(before.from);
  const to = Math.max(most + 1, announced + 1, before === null ? 0 : Date.parse(before.to));
  return { from, to };
}

/**
 * The latest of the times that earlier starts have announced and something has come behind since,
 * UTC ms; −Infinity without one. It is known then, though its own time may be earlier.
 */
async function latestAnnounced(
  { broker, registry }: Stack,
  plans: readonly Plan[],
  standing: readonly Standing[],
): Promise<number> {
  let latest = Number.NEGATIVE_INFINITY;
  for (const { topic, endOffsets } of standing) {
    for (const { name } of await broker.describeTopics(marksOf(plans, topic))) {
      const decoder = new AvroDecoder(registry, watermark);
      for await (const { value } of committedValues(broker, name, 0, decoder)) {
        const { before, endOffsets: ends } = value as unknown as SourceWatermark;
        const isBehind = endOffsets.some((end, partition) => end > (ends[partition] ?? 0));
        if (isBehind) latest = Math.max(latest, before);
      }
    }
  }
  return latest;
}

/** Where each topology that reads a source is told how far it is. */
function marksOf(plans: readonly Plan[], source: string): string[] {
  const readers = plans.filter(({ sources }) => sources.some(({ topic }) => topic === source));
  return [...new Set(readers.map((plan) => watermarksTopic(topologyOf(plan), source)))];
}

/**
 * One watermark a source and topology: what comes behind its ends finds stream time at the end of
 * the range.
 */
async function announceEnds(
  { broker, registry }: Stack,
  plans: readonly Plan[],
  standing: readonly Standing[],
  before: number,
): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  try {
    for (const { marks, endOffsets } of standing.flatMap(({ topic, endOffsets }) =>
      marksOf(plans, topic).map((marks) => ({ marks, endOffsets })),
    )) {
      const id = await registry.register(`${marks}-value`, watermark);
      const value = new ByteWriter(256);
      new AvroEncoder(watermark, id).encode({ before, endOffsets }, value);
      const builder = new RecordBatchBuilder({ initialBytes: 512 });
      builder.append(null, value.take(), before);
      await producer.send([{ topic: marks, partition: 0, batch: builder.build() }]);
    }
  } finally {
    await producer.close();
  }
}
