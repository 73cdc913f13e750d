import { MillraceError } from "../../schemas/errors.ts";
import type * as port from "../broker.ts";
import { type BrokerClock, systemClock } from "./broker-clock.ts";
import { DirectoryLock } from "./directory-lock.ts";
import type {
  EmbeddedBrokerOptions,
  EmbeddedControls,
  EmbeddedStats,
} from "./embedded-controls.ts";
import { EmbeddedMember } from "./embedded-member.ts";
import { EmbeddedProducer, type ProducerWiring } from "./embedded-producer.ts";
import { FetchWaits } from "./fetch-waits.ts";
import { GroupCoordinator } from "./group-coordinator.ts";
import { LogStore } from "./log-store.ts";
import type { PartitionLog } from "./partition-log.ts";
import { Storage } from "./storage.ts";
import { TransactionCoordinator } from "./transaction-coordinator.ts";

export type { EmbeddedBrokerOptions, EmbeddedControls, EmbeddedStats };

/** Longest metadata of a committed offset, in bytes of UTF-8; Kafka's default. */
const maxMetadataBytes = 4096;
const defaultTransactionTimeoutMs = 60_000;

/**
 * Opens the embedded log: Kafka's semantics in this process, in memory or in a directory that one
 * process holds. What `commit` has acknowledged is there after a SIGKILL at any point.
 *
 * @throws {MillraceError} DATA_LOCKED, STORAGE_DAMAGED, STORAGE_FULL, STORAGE_FAILED.
 */
export async function openEmbeddedBroker(
  options: EmbeddedBrokerOptions,
): Promise<port.Broker & EmbeddedControls> {
  const { directory, readOnly = false } = options;
  if (directory === null) return new EmbeddedBroker(options, null, null);
  let lock: DirectoryLock | null = null;
  if (readOnly) DirectoryLock.checkFree(directory);
  else lock = DirectoryLock.take(directory);
  try {
    const storage = new Storage(directory, {
      readOnly,
      flushes: options.fsync === "commit",
      faults: options.faults,
    });
    return new EmbeddedBroker(options, storage, lock);
  } catch (error) {
    lock?.release();
    throw error;
  }
}

class EmbeddedBroker implements port.Broker, EmbeddedControls {
  readonly kind = "embedded";
  readonly #clock: BrokerClock;
  readonly #storage: Storage | null;
  readonly #lock: DirectoryLock | null;
  readonly #store: LogStore;
  readonly #waits: FetchWaits;
  readonly #coordinator: TransactionCoordinator;
  readonly #groups = new Map<string, GroupCoordinator>();
  #closed = false;
  /** Changes when all clients die at once. */
  #era = 0;
  #rotation = 0;

  constructor(options: EmbeddedBrokerOptions, storage: Storage | null, lock: DirectoryLock | null) {
    this.#clock = options.clock ?? systemClock;
    this.#storage = storage;
    this.#lock = lock;
    this.#waits = new FetchWaits(this.#clock);
    this.#store = new LogStore({
      storage,
      segmentBytes: options.segmentBytes ?? 16 * 1024 * 1024,
      cacheBytes: options.cacheBytes ?? 64 * 1024 * 1024,
      now: () => this.#clock.now(),
      onChange: (log) => this.#waits.changed(log),
    });
    this.#coordinator = new TransactionCoordinator({
      state: this.#store.state,
      clock: this.#clock,
      record: (point, entry) => this.#store.record(point, entry),
      fail: () => storage?.fail(),
      flush: (logs) => this.#store.flush(logs),
      onEnd: (logs) => {
        this.#waits.transactionEnded();
        this.#afterWrite(logs);
      },
    });
    if (storage === null) return;
    storage.onDeath = () => {
      this.#store.release();
      lock?.release();
    };
  }

  async createTopics(topics: readonly port.TopicSettings[]): Promise<void> {
    this.#checkWritable("createTopics");
    this.#store.create(topics);
  }

  async addPartitions(topic: string, partitions: number): Promise<void> {
    this.#checkWritable("addPartitions");
    this.#store.grow(topic, partitions);
  }

  async deleteTopics(names: readonly string[]): Promise<void> {
    this.#checkWritable("deleteTopics");
    for (const name of names) {
      this.#store.delete(name);
      this.#coordinator.forgetTopic(name);
    }
  }

  async describeTopics(names?: readonly string[]): Promise<port.TopicDescription[]> {
    this.#checkOpen("describeTopics");
    const wanted = names ?? [...this.#store.topics.keys()];
    return wanted.flatMap((name) => {
      const topic = this.#store.topics.get(name);
      if (topic === undefined) return [];
      return [{ name, id: topic.entry.id, partitions: topic.entry.partitions }];
    });
  }

  async deleteRecords(partitions: readonly port.PartitionOffset[]): Promise<void> {
    this.#checkWritable("deleteRecords");
    for (const { topic, partition, offset } of partitions) {
      this.#store.deleteBelow(topic, partition, offset);
    }
  }

  async listOffsets(partitions: readonly port.OffsetQuery[]): Promise<number[]> {
    this.#checkOpen("listOffsets");
    return partitions.map(({ topic, partition, at }) => {
      const { log } = this.#store.log(topic, partition);
      if (at === "earliest") return log.startOffset;
      return at === "latest" ? log.nextOffset : log.stableOffset;
    });
  }

  async fetch(request: port.FetchRequest): Promise<port.FetchedPartition[]> {
    const until = this.#clock.now() + request.maxWaitMs;
    for (;;) {
      this.#checkOpen("fetch");
      const fetched = this.#fetchNow(request);
      const left = until - this.#clock.now();
      if (fetched.length > 0 || left <= 0) return fetched;
      const logs = request.partitions.map(
        ({ topic, partition }) => this.#store.log(topic, partition).log,
      );
      await this.#waits.changeOf(logs, left);
    }
  }

  async producer(options: port.ProducerOptions): Promise<port.Producer> {
    this.#checkWritable("producer");
    const { transactionalId, transactionTimeoutMs = defaultTransactionTimeoutMs } = options;
    const epoch =
      transactionalId === null
        ? this.#coordinator.idempotentProducer()
        : this.#coordinator.initialise(transactionalId);
    return new EmbeddedProducer(transactionalId, epoch, transactionTimeoutMs, this.#wiring());
  }

  async join(options: port.GroupOptions): Promise<port.GroupMember> {
    this.#checkWritable("join");
    return EmbeddedMember.join(this.#group(options.group), options);
  }

  async committed(
    group: string,
    partitions: readonly port.TopicPartition[],
  ): Promise<port.CommittedOffset[]> {
    const wanted = new Set(partitions.map(({ topic, partition }) => `${topic}/${partition}`));
    for (;;) {
      this.#checkOpen("committed");
      if (!this.#coordinator.isUnstable(group, wanted)) break;
      await this.#waits.nextEnd();
    }
    return partitions.map(({ topic, partition }) => {
      const entry = this.#store.state.committed(group, topic, partition);
      return { topic, partition, offset: entry?.offset ?? null, metadata: entry?.metadata ?? "" };
    });
  }

  async commitOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): Promise<void> {
    this.#checkWritable("commitOffsets");
    this.#checkOffsets(group, offsets, member);
    const busy = this.#groups.get(group)?.isEmpty === false;
    if (member === null && busy) throw new MillraceError("UNKNOWN_MEMBER", { group, member: "" });
    if (offsets.length === 0) return;
    this.#store.record("journal-write", { kind: "offsets", offsets: { [group]: offsets } });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const group of this.#groups.values()) group.close();
    this.#waits.wakeAll();
    this.#coordinator.close();
    if (this.#storage?.dead === true) return;
    try {
      this.#store.close();
    } finally {
      this.#lock?.release();
    }
  }

  crash(): void {
    this.#checkWritable("crash");
    this.#era++;
    this.#coordinator.fenceAll();
    for (const group of this.#groups.values()) group.clear();
    for (const { logs } of this.#store.topics.values()) {
      for (const log of logs) log.sequences.clear();
    }
  }

  compact(topic?: string): void {
    this.#checkWritable("compact");
    this.#store.compact(topic);
  }

  silence(member: port.MemberIdentity): void {
    for (const group of this.#groups.values()) group.silence(member.memberId);
  }

  stats(): EmbeddedStats {
    const topics = [...this.#store.topics.values()];
    const logs = topics.flatMap((topic) => topic.logs);
    const sum = (of: (log: PartitionLog) => number) =>
      logs.reduce((total, log) => total + of(log), 0);
    return {
      topics: topics.length,
      partitions: logs.length,
      logBytes: sum((log) => log.sizeBytes),
      residentBytes: sum((log) =>
        log.segments.reduce((total, segment) => total + segment.residentBytes, 0),
      ),
      journalBytes: this.#store.journalBytes,
      appends: sum((log) => log.appends),
      appendedBytes: sum((log) => log.appendedBytes),
      openTransactions: this.#coordinator.openCount,
    };
  }

  /** In turn, so that a full answer does not starve the partitions that were asked for last. */
  #fetchNow({ partitions, isolation, maxBytes }: port.FetchRequest): port.FetchedPartition[] {
    const fetched: (port.FetchedPartition | undefined)[] = [];
    const committed = isolation === "read_committed";
    const first = this.#rotation++;
    let left = maxBytes;
    for (let step = 0; step < partitions.length; step++) {
      const index = (first + step) % partitions.length;
      const wanted = partitions[index];
      if (wanted === undefined) continue;
      const { topic, partition, offset } = wanted;
      const { log } = this.#store.log(topic, partition);
      log.checkRange(offset);
      if (left <= 0) continue;
      const upper = committed ? log.stableOffset : log.nextOffset;
      const records = log.read(offset, upper, Math.min(wanted.maxBytes, left));
      if (records === null) continue;
      left -= records.length;
      fetched[index] = {
        topic,
        partition,
        offset,
        records,
        highWatermark: log.nextOffset,
        lastStableOffset: log.stableOffset,
        logStartOffset: log.startOffset,
        aborted: committed ? log.abortedWithin(offset, records) : [],
      };
    }
    return fetched.filter((each) => each !== undefined);
  }

  #wiring(): ProducerWiring {
    const era = this.#era;
    return {
      coordinator: this.#coordinator,
      checkWritable: (request) => {
        this.#checkWritable(request);
        if (era !== this.#era) throw new MillraceError("BROKER_CLOSED", { request });
      },
      logOf: (topic, partition) => {
        const { found, log } = this.#store.log(topic, partition);
        const { entry, config } = found;
        return { log, topicNumber: entry.number, maxBatchBytes: config.maxBatchBytes };
      },
      checkOffsets: (group, offsets, member) => this.#checkOffsets(group, offsets, member),
      onSent: (logs) => {
        this.#store.flush(logs);
        this.#afterWrite(logs);
      },
      onClose: (producerId) => {
        for (const { logs } of this.#store.topics.values()) {
          for (const log of logs) log.sequences.forget(producerId);
        }
      },
    };
  }

  #checkOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): void {
    if (member !== null) this.#group(group).check(member);
    for (const { topic, partition, metadata = "" } of offsets) {
      this.#store.log(topic, partition);
      if (Buffer.byteLength(metadata) > maxMetadataBytes) {
        throw new MillraceError("METADATA_TOO_LARGE", { topic, partition });
      }
    }
  }

  #group(name: string): GroupCoordinator {
    let group = this.#groups.get(name);
    if (group === undefined) {
      const entry = this.#store.state.groups.get(name) ?? { generation: 0, members: 0 };
      group = new GroupCoordinator(name, entry, {
        clock: this.#clock,
        save: (of, saved) =>
          this.#store.record("journal-write", { kind: "group", group: of, ...saved }),
      });
      this.#groups.set(name, group);
    }
    return group;
  }

  /** What may follow an append fails by itself: the records stay, and a later write will tell. */
  #afterWrite(logs: readonly PartitionLog[]): void {
    try {
      this.#store.afterWrite(logs);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
    }
  }

  #checkOpen(request: string): void {
    if (this.#closed || this.#storage?.dead === true) {
      throw new MillraceError("BROKER_CLOSED", { request });
    }
  }

  #checkWritable(request: string): void {
    this.#checkOpen(request);
    this.#storage?.checkWritable();
  }
}
