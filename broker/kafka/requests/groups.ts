import type {
  CommittedOffset,
  MemberIdentity,
  OffsetToCommit,
  TopicPartition,
} from "../../broker.ts";
import {
  apis,
  byTopic,
  type KafkaRequest,
  type PartitionResult,
  readByTopic,
} from "./kafka-request.ts";

export interface FetchedOffset extends PartitionResult, CommittedOffset {}

/** Stable offsets only: a partition under an open transaction answers error 88. */
export function offsetFetchRequest(
  group: string,
  partitions: readonly TopicPartition[],
): KafkaRequest<{ readonly error: number; readonly offsets: FetchedOffset[] }> {
  return {
    api: apis.offsetFetch,
    sizeHint: 256 + 48 * partitions.length,
    write(writer) {
      writer.compactString(group);
      writer.compactArray(byTopic(partitions), (each) => {
        writer.compactString(each.topic);
        writer.compactArray(each.partitions, ({ partition }) => writer.int32(partition));
        writer.noTags();
      });
      writer.bool(true);
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const offsets = reader
        .compactArray(() => {
          const topic = reader.compactString();
          const read = reader.compactArray(() => {
            const partition = reader.int32();
            const offset = reader.int64();
            reader.int32();
            const metadata = reader.compactString();
            const error = reader.int16();
            reader.skipTags();
            return { topic, partition, offset: offset < 0 ? null : offset, metadata, error };
          });
          reader.skipTags();
          return read;
        })
        .flat();
      return { offsets, error: reader.int16() };
    },
  };
}

export function offsetCommitRequest(
  group: string,
  offsets: readonly OffsetToCommit[],
  member: MemberIdentity | null,
): KafkaRequest<PartitionResult[]> {
  return {
    api: apis.offsetCommit,
    sizeHint: 256 + 96 * offsets.length,
    write(writer) {
      writer.string(group);
      writer.int32(member?.generation ?? -1);
      writer.string(member?.memberId ?? "");
      writer.array(byTopic(offsets), ({ topic, partitions }) => {
        writer.string(topic);
        writer.array(partitions, ({ partition, offset, metadata }) => {
          writer.int32(partition);
          writer.int64(offset);
          writer.nullableString(metadata ?? "");
        });
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

const protocolType = "millrace";
const protocolName = "bytes";

export interface Joined {
  readonly error: number;
  readonly generation: number;
  readonly leader: string;
  readonly memberId: string;
  /** All members' metadata, for the leader alone. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

export function joinGroupRequest(options: {
  readonly group: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Buffer;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
}): KafkaRequest<Joined> {
  return {
    api: apis.joinGroup,
    sizeHint: 512 + options.metadata.length,
    // The answer comes when the others have joined too: at the latest after the rebalance time.
    waitMs: options.rebalanceTimeoutMs + 5_000,
    write(writer) {
      writer.string(options.group);
      writer.int32(options.sessionTimeoutMs);
      writer.int32(options.rebalanceTimeoutMs);
      writer.string(options.memberId);
      writer.nullableString(options.instanceId);
      writer.string(protocolType);
      writer.int32(1);
      writer.string(protocolName);
      writer.bytes(options.metadata);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const error = reader.int16();
      const generation = reader.int32();
      reader.nullableString();
      const leader = reader.string();
      const memberId = reader.string();
      const members = reader.array(() => {
        const id = reader.string();
        reader.nullableString();
        return { memberId: id, metadata: Buffer.from(reader.bytes()) };
      });
      return { error, generation, leader, memberId, members };
    },
  };
}

export function syncGroupRequest(
  group: string,
  { memberId, generation }: MemberIdentity,
  instanceId: string | null,
  assignments: ReadonlyMap<string, Buffer>,
): KafkaRequest<{ readonly error: number; readonly assignment: Buffer }> {
  return {
    api: apis.syncGroup,
    waitMs: 60_000,
    write(writer) {
      writer.string(group);
      writer.int32(generation);
      writer.string(memberId);
      writer.nullableString(instanceId);
      writer.array([...assignments], ([id, assignment]) => {
        writer.string(id);
        writer.bytes(assignment);
      });
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return { error: reader.int16(), assignment: Buffer.from(reader.bytes()) };
    },
  };
}

export function heartbeatRequest(
  group: string,
  { memberId, generation }: MemberIdentity,
  instanceId: string | null,
): KafkaRequest<number> {
  return {
    api: apis.heartbeat,
    write(writer) {
      writer.string(group);
      writer.int32(generation);
      writer.string(memberId);
      writer.nullableString(instanceId);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.int16();
    },
  };
}

export function leaveGroupRequest(group: string, memberId: string): KafkaRequest<number> {
  return {
    api: apis.leaveGroup,
    write(writer) {
      writer.string(group);
      writer.int32(1);
      writer.string(memberId);
      writer.nullableString(null);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.int16();
    },
  };
}
