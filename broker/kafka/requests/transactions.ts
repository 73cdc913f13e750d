import type { MemberIdentity, OffsetToCommit, TopicPartition } from "../../broker.ts";
import { kafkaCode } from "../error-codes.ts";
import type { WireReader } from "../wire-reader.ts";
import {
  apis,
  byTopic,
  type KafkaRequest,
  type PartitionResult,
  readByTopic,
} from "./kafka-request.ts";

/** Who writes: the producer's id and epoch. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly epoch: number;
}

/** Fences earlier producers of the id and aborts what they left open. */
export function initProducerIdRequest(
  transactionalId: string | null,
  timeoutMs: number,
): KafkaRequest<ProducerIdentity & { readonly error: number }> {
  return {
    api: apis.initProducerId,
    write(writer) {
      writer.nullableString(transactionalId);
      writer.int32(timeoutMs);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return { error: reader.int16(), producerId: reader.int64(), epoch: reader.int16() };
    },
  };
}

export function addPartitionsRequest(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  partitions: readonly TopicPartition[],
): KafkaRequest<PartitionResult[]> {
  return {
    api: apis.addPartitionsToTxn,
    sizeHint: 256 + 32 * partitions.length,
    write(writer) {
      writer.string(transactionalId);
      writer.int64(producerId);
      writer.int16(epoch);
      writer.array(byTopic(partitions), (group) => {
        writer.string(group.topic);
        writer.array(group.partitions, ({ partition }) => writer.int32(partition));
      });
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return readByTopic(reader, (topic, partition) => ({
        topic,
        partition,
        error: reader.int16(),
      }));
    },
  };
}

export function addOffsetsRequest(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  group: string,
): KafkaRequest<number> {
  return {
    api: apis.addOffsetsToTxn,
    write(writer) {
      writer.string(transactionalId);
      writer.int64(producerId);
      writer.int16(epoch);
      writer.string(group);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.int16();
    },
  };
}

/** KIP-447: with a member, the commit is fenced by its generation. */
export function transactionOffsetsRequest(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  group: string,
  offsets: readonly OffsetToCommit[],
  member: MemberIdentity | null,
): KafkaRequest<PartitionResult[]> {
  return {
    api: apis.txnOffsetCommit,
    sizeHint: 256 + 96 * offsets.length,
    write(writer) {
      writer.compactString(transactionalId);
      writer.compactString(group);
      writer.int64(producerId);
      writer.int16(epoch);
      writer.int32(member?.generation ?? -1);
      writer.compactString(member?.memberId ?? "");
      writer.compactNullableString(null);
      writer.compactArray(byTopic(offsets), ({ topic, partitions }) => {
        writer.compactString(topic);
        writer.compactArray(partitions, ({ partition, offset, metadata }) => {
          writer.int32(partition);
          writer.int64(offset);
          writer.int32(-1);
          writer.compactNullableString(metadata ?? "");
          writer.noTags();
        });
        writer.noTags();
      });
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader
        .compactArray(() => {
          const topic = reader.compactString();
          const partitions = reader.compactArray(() => {
            const result = { topic, partition: reader.int32(), error: reader.int16() };
            reader.skipTags();
            return result;
          });
          reader.skipTags();
          return partitions;
        })
        .flat();
    },
  };
}

export function endTransactionRequest(
  transactionalId: string,
  { producerId, epoch }: ProducerIdentity,
  committed: boolean,
): KafkaRequest<number> {
  return {
    api: apis.endTxn,
    write(writer) {
      writer.string(transactionalId);
      writer.int64(producerId);
      writer.int16(epoch);
      writer.bool(committed);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.int16();
    },
  };
}

/** One transactional id as its coordinator knows it. */
export interface ListedTransaction {
  readonly id: string;
  readonly producerId: number;
  /** As Kafka names it: Empty, Ongoing, PrepareCommit, CompleteCommit, … */
  readonly state: string;
}

/** A transactional id as its coordinator knows it; an error where it knows none. */
export function describeTransactionRequest(
  id: string,
): KafkaRequest<ListedTransaction & { readonly error: number }> {
  return {
    api: apis.describeTransactions,
    write(writer) {
      writer.compactArray([id], (each) => writer.compactString(each));
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const [described] = reader.compactArray(() => {
        const [error, name, state] = [
          reader.int16(),
          reader.compactString(),
          reader.compactString(),
        ];
        // Its time-out and when it began.
        reader.int32();
        reader.int64();
        const producerId = reader.int64();
        reader.int16();
        reader.compactArray(() => {
          reader.compactString();
          reader.compactArray(() => reader.int32());
          reader.skipTags();
        });
        reader.skipTags();
        return { error, id: name, state, producerId };
      });
      return (
        described ?? { error: kafkaCode.transactionalIdNotFound, id, state: "", producerId: -1 }
      );
    },
  };
}

/** The transactional ids that the node asked coordinates; of no states, or producers: of all. */
export function listTransactionsRequest(wanted: {
  readonly states: readonly string[];
  readonly producerIds: readonly number[];
}): KafkaRequest<{ readonly error: number; readonly transactions: ListedTransaction[] }> {
  return {
    api: apis.listTransactions,
    write(writer) {
      writer.compactArray(wanted.states, (state) => writer.compactString(state));
      writer.compactArray(wanted.producerIds, (id) => writer.int64(id));
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const error = reader.int16();
      reader.compactArray(() => reader.compactString());
      const transactions = reader.compactArray(() => {
        const id = reader.compactString();
        const listed = { id, producerId: reader.int64(), state: reader.compactString() };
        reader.skipTags();
        return listed;
      });
      return { error, transactions };
    },
  };
}

/** A transaction that stands open in a partition: who began it, and its first offset there. */
export interface OpenInPartition {
  readonly producerId: number;
  readonly start: number;
}

/** The open transactions of each partition, as its leader knows them (KIP-664). */
export function describeProducersRequest(
  partitions: readonly TopicPartition[],
): KafkaRequest<(PartitionResult & { readonly open: readonly OpenInPartition[] })[]> {
  return {
    api: apis.describeProducers,
    sizeHint: 256 + 32 * partitions.length,
    write(writer) {
      writer.compactArray(byTopic(partitions), (group) => {
        writer.compactString(group.topic);
        writer.compactArray(group.partitions, ({ partition }) => writer.int32(partition));
        writer.noTags();
      });
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader
        .compactArray(() => {
          const topic = reader.compactString();
          const results = reader.compactArray(() => {
            const [partition, error] = [reader.int32(), reader.int16()];
            reader.compactNullableString();
            const producers = reader.compactArray(() => readProducer(reader));
            reader.skipTags();
            return { topic, partition, error, open: producers.filter(({ start }) => start >= 0) };
          });
          reader.skipTags();
          return results;
        })
        .flat();
    },
  };
}

/** Start −1: nothing of it is open. */
function readProducer(reader: WireReader): OpenInPartition {
  const producerId = reader.int64();
  // Its epoch, its last sequence and time, and the epoch of its coordinator.
  reader.int32();
  reader.int32();
  reader.int64();
  reader.int32();
  const start = reader.int64();
  reader.skipTags();
  return { producerId, start };
}
