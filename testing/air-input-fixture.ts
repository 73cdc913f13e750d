import type { Broker, Producer } from "../broker/broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import type { ExternalWork } from "../processors/processor.ts";
import { toldExplanation } from "../processors/scoring/explain/told-explanation.ts";
import {
  type ExplainWork,
  explainResult,
  isExplainWork,
} from "../processors/scoring/explain-work.ts";
import { isScoreWork, rowStates } from "../processors/scoring/score-work.ts";
import { isTrainWork } from "../processors/train/train-work.ts";
import { TaskFactory } from "../runtime/engine/task-factory.ts";
import { AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { watermark } from "../schemas/generated.ts";
import { writeJson } from "../schemas/json-payload.ts";
import type { RetrainRequest } from "../schemas/payload.ts";
import type { Plan } from "../schemas/plan.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { air } from "./schedule-fixture.ts";
import type { SourceLogs } from "./sequential-oracle.ts";

/**
 * Scores by the sum of the features and the version, and explains it by them; promotes two of three
 * versions.
 */
export function executeAir(work: ExternalWork): Buffer {
  const result = new ByteWriter();
  if (isTrainWork(work)) {
    const request = JSON.parse(work.payload.request) as RetrainRequest;
    writeJson(result, {
      requestId: request.id,
      version: `v${request.number}`,
      promoted: request.number % 3 !== 0,
      reason: "a test",
      effectiveFrom: request.cutoff + 6 * 3_600_000,
      cutoff: request.cutoff,
      trainedOn: request.number,
      heldOut: 0,
      holdoutAuc: null,
      championVersion: work.payload.promoted?.version ?? null,
      championAuc: null,
      gainLowerBound: null,
      sha256: String(request.number),
      reference: [],
    });
    return result.take();
  }
  if (isExplainWork(work)) return explainAir(work.payload);
  if (!isScoreWork(work)) throw new RangeError(`no service ${work.service}`);
  const { versionOf, versions, rows, features: width } = work.payload;
  for (const [row, version] of versionOf.entries()) {
    const features = rows.subarray(row * width, (row + 1) * width);
    const sum = features.reduce((total, x) => total + (Number.isNaN(x) ? 1 : x), 0);
    result.f64(1 / (1 + Math.abs(sum) + Number(versions[version]?.slice(1))));
  }
  for (const _ of versionOf) result.f64(0);
  for (const _ of versionOf) result.u8(rowStates.answered);
  return result.take();
}

function explainAir({ versions, versionOf, rows, features, most }: ExplainWork): Buffer {
  const explained = [...versionOf].map((index, row) => {
    const vector = rows.subarray(row * features.length, (row + 1) * features.length);
    const contributions = new Map(
      features.map((name, i): [string, number] => {
        const value = vector[i] as number;
        return [name, Number.isNaN(value) ? 1 : value];
      }),
    );
    const expected = Number(versions[index]?.slice(1));
    return toldExplanation({ expected, contributions, of: "value", by: "leaves" }, most);
  });
  return explainResult(explained);
}

/**
 * Registers all schemas of the plan in one order: every process with a registry of its own gets the
 * same ids.
 */
export async function registerAir(broker: Broker, registry: SchemaRegistry): Promise<void> {
  for (const source of air.sources) await sourceEncoder(registry, source);
  await TaskFactory.create(air, broker, registry, { kind: "replay" });
}

/** Writes the source logs and their watermarks; the topics exist. */
export async function produceAir(
  broker: Broker,
  registry: SchemaRegistry,
  logs: SourceLogs,
  { sources }: Pick<Plan, "sources"> = air,
): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  for (const source of sources) {
    const encoder = await sourceEncoder(registry, source);
    const partitions = logs.get(source.topic) ?? [];
    // A watermark is there before the records beyond it.
    await produceWatermarks(producer, registry, source.topic, partitions);
    for (const [partition, log] of partitions.entries()) {
      const builder = new RecordBatchBuilder();
      for (const entry of log) {
        if (!("record" in entry)) continue;
        const value = new ByteWriter();
        encoder.encode(entry.record, value);
        builder.append(Buffer.from(String(entry.record["flightId"])), value.take(), 0);
      }
      if (builder.count === 0) continue;
      await producer.send([{ topic: source.topic, partition, batch: builder.build() }]);
    }
  }
  await producer.close();
}

/** The n-th watermark is in every partition; its end offset is the number of records before it. */
async function produceWatermarks(
  producer: Producer,
  registry: SchemaRegistry,
  source: string,
  partitions: NonNullable<ReturnType<SourceLogs["get"]>>,
): Promise<void> {
  const topic = watermarksTopic(air.name, source);
  const id = await registry.register(`${topic}-value`, watermark);
  const encoder = new AvroEncoder(watermark, id);
  const marks = partitions.map((log) => {
    let records = 0;
    return log.flatMap((entry) => {
      if ("before" in entry) return [{ before: entry.before, endOffset: records }];
      records++;
      return [];
    });
  });
  const builder = new RecordBatchBuilder();
  for (const [index, { before }] of (marks[0] ?? []).entries()) {
    const value = new ByteWriter();
    const endOffsets = marks.map((each) => each[index]?.endOffset ?? 0);
    encoder.encode({ before, endOffsets }, value);
    builder.append(null, value.take(), 0);
  }
  await producer.send([{ topic, partition: 0, batch: builder.build() }]);
}

/** The last watermark of the logs: what is known before it can be finished. */
export function endOf(logs: SourceLogs): number {
  let end = Number.NEGATIVE_INFINITY;
  for (const entry of logs.get("air.departures")?.[0] ?? []) {
    if ("before" in entry) end = Math.max(end, entry.before);
  }
  return end;
}
