import type { PartitionOffset } from "../../broker.ts";
import {
  apis,
  byTopic,
  type KafkaRequest,
  type PartitionResult,
  readByTopic,
} from "./kafka-request.ts";

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}
export interface TopicResult {
  readonly name: string;
  readonly error: number;
  readonly message: string;
}

export function createTopicsRequest(
  topics: readonly NewTopic[],
  timeoutMs: number,
): KafkaRequest<TopicResult[]> {
  return {
    api: apis.createTopics,
    waitMs: timeoutMs,
    write(writer) {
      writer.array(topics, (topic) => {
        writer.string(topic.name);
        writer.int32(topic.partitions);
        writer.int16(topic.replicationFactor);
        writer.int32(0);
        writer.array(Object.entries(topic.config), ([name, value]) => {
          writer.string(name);
          writer.string(value);
        });
      });
      writer.int32(timeoutMs);
      writer.bool(false);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.array(() => ({
        name: reader.string(),
        error: reader.int16(),
        message: reader.string(),
      }));
    },
  };
}

/** @param partitions - of all together, the present ones among them. */
export function createPartitionsRequest(
  topic: string,
  partitions: number,
  timeoutMs: number,
): KafkaRequest<TopicResult[]> {
  return {
    api: apis.createPartitions,
    waitMs: timeoutMs,
    write(writer) {
      writer.array([topic], (name) => {
        writer.string(name);
        writer.int32(partitions);
        // Placed by the broker.
        writer.int32(-1);
      });
      writer.int32(timeoutMs);
      writer.bool(false);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.array(() => ({
        name: reader.string(),
        error: reader.int16(),
        message: reader.nullableString() ?? "",
      }));
    },
  };
}

export function deleteTopicsRequest(
  names: readonly string[],
  timeoutMs: number,
): KafkaRequest<TopicResult[]> {
  return {
    api: apis.deleteTopics,
    waitMs: timeoutMs,
    write(writer) {
      writer.array(names, (name) => writer.string(name));
      writer.int32(timeoutMs);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.array(() => ({ name: reader.string(), error: reader.int16(), message: "" }));
    },
  };
}

export interface TopicConfig {
  readonly name: string;
  readonly error: number;
  readonly values: ReadonlyMap<string, string>;
}

const topicResource = 2;

/** The settings in force, `keys` of each topic. */
export function describeConfigsRequest(
  topics: readonly { readonly name: string; readonly keys: readonly string[] }[],
): KafkaRequest<TopicConfig[]> {
  return {
    api: apis.describeConfigs,
    write(writer) {
      writer.array(topics, ({ name, keys }) => {
        writer.int8(topicResource);
        writer.string(name);
        writer.array(keys, (key) => writer.string(key));
      });
      writer.bool(false);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return reader.array(() => {
        const error = reader.int16();
        reader.nullableString();
        reader.int8();
        const name = reader.string();
        const values = new Map<string, string>();
        reader.array(() => {
          const key = reader.string();
          values.set(key, reader.string());
          reader.bool();
          reader.int8();
          reader.bool();
          reader.array(() => [reader.string(), reader.string(), reader.int8()]);
        });
        return { name, error, values };
      });
    },
  };
}

/** Moves the log start of partitions led by the node that is asked. */
export function deleteRecordsRequest(
  partitions: readonly PartitionOffset[],
  timeoutMs: number,
): KafkaRequest<PartitionResult[]> {
  return {
    api: apis.deleteRecords,
    waitMs: timeoutMs,
    write(writer) {
      writer.array(byTopic(partitions), (group) => {
        writer.string(group.topic);
        writer.array(group.partitions, ({ partition, offset }) => {
          writer.int32(partition);
          writer.int64(offset);
        });
      });
      writer.int32(timeoutMs);
    },
    read(reader) {
      reader.throttleMs = reader.int32();
      return readByTopic(reader, (topic, partition) => {
        reader.int64();
        return { topic, partition, error: reader.int16() };
      });
    },
  };
}
