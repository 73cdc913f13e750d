import type { KafkaConfig, SASLOptions } from "kafkajs";
import { MillraceError } from "../../schemas/errors.ts";
import type * as port from "../broker.ts";
import { Backoff } from "./backoff.ts";
import { ClusterClient, placeOf } from "./cluster-client.ts";
import type { KafkaLogger } from "./connection-log.ts";
import { kafkaCode, kafkaError } from "./error-codes.ts";
import { KafkaFetcher } from "./kafka-fetcher.ts";
import { joinKafkaGroup, type KafkaGroupMember } from "./kafka-group-member.ts";
import { type KafkaProducer, openKafkaProducer } from "./kafka-producer.ts";
import {
  addKafkaPartitions,
  createKafkaTopics,
  deleteKafkaTopics,
  describeKafkaTopics,
} from "./kafka-topics.ts";
import type { Lane } from "./lane.ts";
import { listTransactions, perhapsUnended } from "./lost-markers.ts";
import { offsetCommitRequest, offsetFetchRequest } from "./requests/groups.ts";
import type { PartitionResult } from "./requests/kafka-request.ts";
import { type Isolation, listOffsetsRequest, offsetAt } from "./requests/log.ts";
import { deleteRecordsRequest } from "./requests/topics.ts";

/** How to reach a Kafka (2.8 or newer). */
export interface KafkaBrokerOptions {
  /** `host:port` of some nodes; the others are learnt from them. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** TLS options of Node, or true. @default none: plain text */
  readonly ssl?: KafkaConfig["ssl"];
  /** PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS. @default none */
  readonly sasl?: SASLOptions;
  /** @default errors on standard error */
  readonly logger?: KafkaLogger;
  /** How long one request may take; calls are retried for twice as long. @default 30000 */
  readonly requestTimeoutMs?: number;
  /** How long `committed` waits for open transactions. @default 120000 */
  readonly stableTimeoutMs?: number;
}

/** The port over Kafka; what is optional there is here. */
export type KafkaBroker = port.Broker & Required<Pick<port.Broker, "fenceTransactions">>;

/**
 * Connects and reads the cluster's metadata.
 *
 * @throws {MillraceError} BROKER_UNAVAILABLE, BROKER_LOGIN, BROKER_TOO_OLD.
 */
export async function openKafkaBroker(options: KafkaBrokerOptions): Promise<KafkaBroker> {
  const client = new ClusterClient(options.brokers, {
    clientId: options.clientId,
    ssl: options.ssl ?? null,
    sasl: options.sasl ?? null,
    logger: options.logger,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    connectTimeoutMs: 3_000,
  });
  try {
    await client.refresh([]);
  } catch (error) {
    await client.close();
    throw error;
  }
  return new KafkaAdapter(client, options.stableTimeoutMs ?? 120_000);
}

class KafkaAdapter implements KafkaBroker {
  readonly kind = "kafka";
  readonly #client: ClusterClient;
  readonly #lane: Lane;
  /** Of questions for offsets: who asks waits to go on, and not for what others have written. */
  readonly #offsets: Lane;
  readonly #fetcher: KafkaFetcher;
  readonly #stableTimeoutMs: number;
  readonly #producers = new Set<KafkaProducer>();
  readonly #members = new Set<KafkaGroupMember>();

  constructor(client: ClusterClient, stableTimeoutMs: number) {
    this.#client = client;
    this.#stableTimeoutMs = stableTimeoutMs;
    this.#lane = client.lane();
    this.#offsets = client.lane();
    this.#fetcher = new KafkaFetcher(client);
  }

  async createTopics(topics: readonly port.TopicSettings[]): Promise<void> {
    await createKafkaTopics(this.#client, topics);
  }

  async addPartitions(topic: string, partitions: number): Promise<void> {
    await addKafkaPartitions(this.#client, topic, partitions);
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    await deleteKafkaTopics(this.#client, names);
  }

  async describeTopics(names?: readonly string[]): Promise<port.TopicDescription[]> {
    return await describeKafkaTopics(this.#client, names);
  }

  async deleteRecords(partitions: readonly port.PartitionOffset[]): Promise<void> {
    const timeoutMs = this.#client.settings.requestTimeoutMs;
    const results = await this.#client.onLeaders<port.PartitionOffset, PartitionResult>(
      this.#lane,
      partitions,
      (items) => deleteRecordsRequest(items, timeoutMs),
      unknownPartition,
    );
    for (const [index, { topic, partition, error }] of results.entries()) {
      if (error !== kafkaCode.none) {
        const offset = partitions[index]?.offset ?? -1;
        const beyond = error === kafkaCode.offsetOutOfRange;
        const asked = beyond ? [{ topic, partition, at: "earliest" } as const] : [];
        const [logStart = -1] = await this.listOffsets(asked);
        throw kafkaError(error, "DeleteRecords", { topic, partition, offset, logStart });
      }
    }
  }

  async listOffsets(partitions: readonly port.OffsetQuery[]): Promise<number[]> {
    const list = async (isolation: Isolation): Promise<Map<string, number>> => {
      const asked = partitions
        .filter(({ at }) => (at === "stable") === (isolation === "read_committed"))
        .map((query) => ({ ...query, timestamp: timestampOf(query) }));
      // One request may not name a partition twice: earliest and latest go apart.
      const offsets = new Map<string, number>();
      for (const timestamp of new Set(asked.map((each) => each.timestamp))) {
        const results = await this.#client.onLeaders(
          this.#offsets,
          unique(asked.filter((each) => each.timestamp === timestamp)),
          (items) => listOffsetsRequest(items, isolation),
          (item) => ({ ...unknownPartition(item), offset: -1 }),
        );
        for (const { topic, partition, error, offset } of results) {
          if (error !== kafkaCode.none) {
            throw kafkaError(error, "ListOffsets", { topic, partition });
          }
          offsets.set(`${timestamp} ${placeOf({ topic, partition })}`, offset);
        }
      }
      return offsets;
    };
    const [stable, other] = await Promise.all([list("read_committed"), list("read_uncommitted")]);
    return partitions.map((query) => {
      const place = `${timestampOf(query)} ${placeOf(query)}`;
      return (query.at === "stable" ? stable : other).get(place) ?? -1;
    });
  }

  async fetch(request: port.FetchRequest): Promise<port.FetchedPartition[]> {
    return await this.#fetcher.fetch(request);
  }

  async producer(options: port.ProducerOptions): Promise<port.Producer> {
    const producer = await openKafkaProducer(this.#client, options, (closed) =>
      this.#producers.delete(closed),
    );
    this.#producers.add(producer);
    return producer;
  }

  async join(options: port.GroupOptions): Promise<port.GroupMember> {
    const member = await joinKafkaGroup(this.#client, options, (left) =>
      this.#members.delete(left),
    );
    this.#members.add(member);
    return member;
  }

  async committed(
    group: string,
    partitions: readonly port.TopicPartition[],
  ): Promise<port.CommittedOffset[]> {
    if (partitions.length === 0) {
      return [];
    }
    const started = performance.now();
    const unstable = new Backoff(this.#stableTimeoutMs, 2, 100);
    for (;;) {
      // Unstable is told apart by partition: a busy coordinator is retried by the client.
      const { answer } = await this.#client.onCoordinator(
        this.#lane,
        "group",
        group,
        offsetFetchRequest(group, partitions),
        ({ error }) => error,
      );
      const failed = answer.offsets.find(({ error }) => error !== kafkaCode.none);
      if (answer.error !== kafkaCode.none) {
        throw kafkaError(answer.error, "OffsetFetch", { group });
      }
      if (failed === undefined) {
        const found = new Map(answer.offsets.map((each) => [placeOf(each), each]));
        return partitions.map(({ topic, partition }) => {
          const { offset, metadata } = found.get(placeOf({ topic, partition })) ?? nothing;
          return { topic, partition, offset, metadata };
        });
      }
      if (failed.error !== kafkaCode.unstableOffsets) {
        const { topic, partition, error } = failed;
        throw kafkaError(error, "OffsetFetch", { group, topic, partition });
      }
      if (unstable.expired) {
        const waitedMs = Math.round(performance.now() - started);
        throw new MillraceError("OFFSETS_UNSTABLE", { group, waitedMs });
      }
      await unstable.wait();
    }
  }

  async commitOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): Promise<void> {
    if (offsets.length === 0) {
      return;
    }
    const { answer } = await this.#client.onCoordinator(
      this.#lane,
      "group",
      group,
      offsetCommitRequest(group, offsets, member),
      (results) => results.find(({ error }) => error !== kafkaCode.none)?.error ?? kafkaCode.none,
    );
    const failed = answer.find(({ error }) => error !== kafkaCode.none);
    if (failed !== undefined) {
      const { topic, partition, error } = failed;
      const who = { member: member?.memberId ?? "", generation: member?.generation ?? -1 };
      throw kafkaError(error, "OffsetCommit", { group, topic, partition, ...who });
    }
  }

  async fenceTransactions(
    stale: (transactionalId: string) => boolean,
    scope?: port.TransactionScope,
  ): Promise<string[]> {
    const client = this.#client;
    const open = await listTransactions(client, { states: ["Ongoing"], producerIds: [] });
    const unended = scope ? await perhapsUnended(client, this.#lane, scope, stale) : [];
    const ids = [...new Set([...open.map(({ id }) => id).filter(stale), ...unended])].sort();
    for (const transactionalId of ids) {
      const producer = await this.producer({ transactionalId, ...(scope && { scope }) });
      await producer.close();
    }
    return ids;
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#members].map((member) => member.leave()));
    await Promise.allSettled([...this.#producers].map((producer) => producer.close()));
    await this.#client.close();
  }
}

const nothing = { offset: null, metadata: "" } as const;

function timestampOf({ at }: port.OffsetQuery): number {
  return at === "earliest" ? offsetAt.earliest : offsetAt.latest;
}

function unknownPartition({ topic, partition }: port.TopicPartition): PartitionResult {
  return { topic, partition, error: kafkaCode.unknownTopicOrPartition };
}

function unique<T extends port.TopicPartition>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [placeOf(item), item])).values()];
}
