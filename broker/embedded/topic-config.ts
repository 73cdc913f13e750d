import { MillraceError } from "../../schemas/errors.ts";
import type { TopicSettings } from "../broker.ts";
import type { TopicEntry } from "./broker-state.ts";

/** Settings that the embedded log acts on, with Kafka's defaults but for retention. */
const honoured: Readonly<Record<string, string>> = {
  "cleanup.policy": "delete",
  "max.message.bytes": "1048588",
  "retention.bytes": "-1",
  "retention.ms": "-1",
  "segment.bytes": "0",
};

/** Settings that ask for nothing here: one node, no checks of timestamps, bytes kept as sent. */
const harmless = new Set([
  "compression.type",
  "message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms",
  "min.insync.replicas",
  "unclean.leader.election.enable",
]);

/** Least segment size that `segment.bytes` may ask for. */
const smallestSegmentBytes = 1024;

/** What a topic's settings mean to its logs. */
export interface LogConfig {
  readonly compacts: boolean;
  readonly maxBatchBytes: number;
  /** null: nothing is removed by size. */
  readonly retentionBytes: number | null;
  /** null: the broker's own. */
  readonly segmentBytes: number | null;
}

/** @throws {MillraceError} TOPIC_INVALID. */
export function checkTopic(settings: TopicSettings): void {
  const { name, partitions, config, replicationFactor = 1 } = settings;
  const refuse = (reason: string): never => {
    throw new MillraceError("TOPIC_INVALID", { topic: name, reason });
  };
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(name) || name === "." || name === "..") {
    refuse("a name has 1 to 249 of the characters a-z, A-Z, 0-9, dot, underscore and hyphen");
  }
  if (!Number.isInteger(partitions) || partitions < 1) refuse(`${partitions} partitions`);
  if (replicationFactor !== 1) refuse(`${replicationFactor} replicas on a broker of one node`);
  for (const [key, value] of Object.entries(config)) {
    if (!Object.hasOwn(honoured, key) && !harmless.has(key)) {
      refuse(`the embedded log does not know the setting ${key}`);
    }
    if (Object.hasOwn(honoured, key) && key !== "cleanup.policy" && !/^-?\d+$/.test(value)) {
      refuse(`${key} is no whole number: ${value}`);
    }
  }
  const { "cleanup.policy": policy = "delete", "retention.ms": retention = "-1" } = config;
  const policies = new Set(["delete", "compact", "compact,delete", "delete,compact"]);
  if (!policies.has(policy)) refuse(`cleanup.policy is ${policy}`);
  if (Number(retention) !== -1) {
    refuse("the embedded log keeps records for good: only retention.ms=-1 is taken");
  }
  const { maxBatchBytes, segmentBytes } = logConfig(config);
  if (maxBatchBytes < 1) refuse("max.message.bytes is below 1");
  if (segmentBytes !== null && segmentBytes < smallestSegmentBytes) {
    refuse(`segment.bytes is below ${smallestSegmentBytes}`);
  }
}

export function logConfig(config: Readonly<Record<string, string>>): LogConfig {
  const number = (key: string) => Number(config[key] ?? honoured[key]);
  const retention = number("retention.bytes");
  return {
    compacts: (config["cleanup.policy"] ?? "").includes("compact"),
    maxBatchBytes: number("max.message.bytes"),
    retentionBytes: retention < 0 ? null : retention,
    segmentBytes: config["segment.bytes"] === undefined ? null : number("segment.bytes"),
  };
}

/** @throws {MillraceError} TOPIC_MISMATCH when a topic is not as it is wanted. */
export function checkSame(existing: TopicEntry, wanted: TopicSettings): void {
  const compare = (what: string, actual: string | number, expected: string | number) => {
    if (String(actual) === String(expected)) return;
    throw new MillraceError("TOPIC_MISMATCH", { topic: wanted.name, what, actual, expected });
  };
  compare("partitions", existing.partitions, wanted.partitions);
  for (const [key, value] of Object.entries(wanted.config)) {
    const actual = existing.config[key] ?? honoured[key];
    if (actual !== undefined) compare(key, actual, value);
  }
}
