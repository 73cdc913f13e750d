import type { AbortedTransaction, FetchRequest, TopicPartition } from "../../broker.ts";
import type { WireWriter } from "../wire-writer.ts";
import {
  apis,
  byTopic,
  type KafkaRequest,
  type PartitionResult,
  readByTopic,
} from "./kafka-request.ts";

export type Isolation = FetchRequest["isolation"];

function isolationLevel(isolation: Isolation): number {
  return isolation === "read_committed" ? 1 : 0;
}

/** Timestamps that ListOffsets understands as positions. */
export const offsetAt = { earliest: -2, latest: -1 } as const;

export interface ListedOffset extends PartitionResult {
  readonly offset: number;
}

export function listOffsetsRequest(
  partitions: readonly (TopicPartition & { readonly timestamp: number })[],
  isolation: Isolation,
): KafkaRequest<ListedOffset[]> {
  return {
    api: apis.listOffsets,
    write(writer) {
      writer.int32(-1);
      writer.int8(isolationLevel(isolation));
      writer.array(byTopic(partitions), (group) => {
        writer.string(group.topic);
        writer.array(group.partitions, ({ partition, timestamp }) => {
          writer.int32(partition);
          writer.int64(timestamp);
        });
      });
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return readByTopic(reader, (topic, partition) => {
        const error = reader.int16();
        reader.int64();
        return { topic, partition, error, offset: reader.int64() };
      });
    },
  };
}

export interface FetchAnswer extends PartitionResult {
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** A view of the answer. */
  readonly records: Buffer;
}

/** Raw record batches; the partitions must be led by the node that is asked. */
export function fetchRequest(
  request: FetchRequest,
): KafkaRequest<{ readonly error: number; readonly partitions: FetchAnswer[] }> {
  return {
    api: apis.fetch,
    sizeHint: 256 + 64 * request.partitions.length,
    waitMs: request.maxWaitMs,
    write(writer) {
      writer.int32(-1);
      writer.int32(request.maxWaitMs);
      writer.int32(1);
      writer.int32(request.maxBytes);
      writer.int8(isolationLevel(request.isolation));
      writer.int32(0);
      writer.int32(-1);
      writer.array(byTopic(request.partitions), (group) => {
        writer.string(group.topic);
        writer.array(group.partitions, ({ partition, offset, maxBytes }) => {
          writer.int32(partition);
          writer.int32(-1);
          writer.int64(offset);
          writer.int64(-1);
          writer.int32(maxBytes);
        });
      });
      writer.int32(0);
      writer.string("");
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const error = reader.int16();
      reader.int32();
      const partitions = readByTopic(reader, (topic, partition) => ({
        topic,
        partition,
        error: reader.int16(),
        highWatermark: reader.int64(),
        lastStableOffset: reader.int64(),
        logStartOffset: reader.int64(),
        aborted: reader.array(() => ({
          producerId: reader.int64(),
          firstOffset: reader.int64(),
        })),
        replica: reader.int32(),
        records: reader.bytes(),
      }));
      return { error, partitions };
    },
  };
}

export interface BatchToWrite extends TopicPartition {
  readonly sizeBytes: number;
  /** Copies the batch into the request and stamps the copy. */
  write(writer: WireWriter): void;
}
export interface ProduceAnswer extends PartitionResult {
  readonly baseOffset: number;
}

/** One batch a partition; acknowledged by all in-sync replicas. */
export function produceRequest(
  transactionalId: string | null,
  batches: readonly BatchToWrite[],
  timeoutMs: number,
): KafkaRequest<ProduceAnswer[]> {
  let sizeHint = 512;
  for (const { topic, sizeBytes } of batches) {
    sizeHint += sizeBytes + 3 * topic.length + 32;
  }
  return {
    api: apis.produce,
    sizeHint,
    write(writer) {
      writer.nullableString(transactionalId);
      writer.int16(-1);
      writer.int32(timeoutMs);
      writer.array(byTopic(batches), (group) => {
        writer.string(group.topic);
        writer.array(group.partitions, (batch) => {
          writer.int32(batch.partition);
          writer.int32(batch.sizeBytes);
          batch.write(writer);
        });
      });
    },
    read(reader) {
      const answers = readByTopic(reader, (topic, partition) => {
        const error = reader.int16();
        const baseOffset = reader.int64();
        reader.int64();
        reader.int64();
        return { topic, partition, error, baseOffset };
      });
      reader.throttleMs = reader.int32();
      return answers;
    },
  };
}
