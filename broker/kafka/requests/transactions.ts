import type { MemberIdentity, OffsetToCommit, TopicPartition } from "../../broker.ts";
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

/** Transactional ids with an open transaction that the node asked coordinates. */
export function openTransactionsRequest(): KafkaRequest<{
  readonly error: number;
  readonly ids: string[];
}> {
  return {
    api: apis.listTransactions,
    write(writer) {
      writer.compactArray(["Ongoing"], (state) => writer.compactString(state));
      writer.compactArray([], () => undefined);
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const error = reader.int16();
      reader.compactArray(() => reader.compactString());
      const ids = reader.compactArray(() => {
        const id = reader.compactString();
        reader.int64();
        reader.compactString();
        reader.skipTags();
        return id;
      });
      return { error, ids };
    },
  };
}
