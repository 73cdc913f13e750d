import type { ApiVersions } from "../kafkajs-internals.ts";
import { apis, type KafkaRequest } from "./kafka-request.ts";

export interface NodeAddress {
  readonly node: number;
  readonly host: string;
  readonly port: number;
}
export interface TopicMetadata {
  readonly error: number;
  readonly name: string;
  readonly id: string;
  readonly internal: boolean;
  /** Leader's node by partition; −1 while there is none. */
  readonly leaders: readonly number[];
}
export interface ClusterMetadata {
  readonly nodes: readonly NodeAddress[];
  readonly controller: number;
  readonly topics: readonly TopicMetadata[];
}

/** Version ranges that a broker offers, by api key. */
export function apiVersionsRequest(): KafkaRequest<ApiVersions> {
  return {
    api: apis.apiVersions,
    write: () => undefined,
    read(reader) {
      reader.int16();
      const versions: Record<number, { minVersion: number; maxVersion: number }> = {};
      reader.array(() => {
        const key = reader.int16();
        versions[key] = { minVersion: reader.int16(), maxVersion: reader.int16() };
      });
      return versions;
    },
  };
}

/** Nodes, controller and leaders; `null`: of all topics. Creates no topic. */
export function metadataRequest(topics: readonly string[] | null): KafkaRequest<ClusterMetadata> {
  return {
    api: apis.metadata,
    write(writer) {
      if (topics === null) {
        writer.unsignedVarint(0);
      } else {
        writer.compactArray(topics, (topic) => {
          writer.zeroUuid();
          writer.compactNullableString(topic);
          writer.noTags();
        });
      }
      writer.bool(false);
      writer.bool(false);
      writer.bool(false);
      writer.noTags();
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const nodes = reader.compactArray(() => {
        const address = {
          node: reader.int32(),
          host: reader.compactString(),
          port: reader.int32(),
        };
        reader.compactNullableString();
        reader.skipTags();
        return address;
      });
      reader.compactNullableString();
      const controller = reader.int32();
      const topicsRead = reader.compactArray(() => {
        const error = reader.int16();
        const name = reader.compactString();
        const id = reader.uuid();
        const internal = reader.bool();
        const leaders: number[] = [];
        reader.compactArray(() => {
          reader.int16();
          const partition = reader.int32();
          leaders[partition] = reader.int32();
          reader.int32();
          reader.compactArray(() => reader.int32());
          reader.compactArray(() => reader.int32());
          reader.compactArray(() => reader.int32());
          reader.skipTags();
        });
        reader.int32();
        reader.skipTags();
        return { error, name, id, internal, leaders };
      });
      return { nodes, controller, topics: topicsRead };
    },
  };
}

export type CoordinatorKind = "group" | "transaction";

/** Which node coordinates a group or a transactional id. */
export function findCoordinatorRequest(
  kind: CoordinatorKind,
  id: string,
): KafkaRequest<{ readonly error: number } & NodeAddress> {
  return {
    api: apis.findCoordinator,
    write(writer) {
      writer.string(id);
      writer.int8(kind === "group" ? 0 : 1);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      const error = reader.int16();
      reader.nullableString();
      return { error, node: reader.int32(), host: reader.string(), port: reader.int32() };
    },
  };
}
