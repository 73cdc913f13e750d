/**
 * The broker port: what Millrace needs of Kafka, at the level of record batches (magic 2). Two
 * adapters: `embedded/` (an in-process log, in memory or on disk) and `kafka/` (requests of our own
 * over kafkajs's connections). One conformance suite runs against both. Offsets are numbers
 * (exact to 2^53). Every method may reject with a BROKER_… error of `schemas/errors.ts`.
 */
export interface Broker {
  readonly kind: "embedded" | "kafka";
  /**
   * Creates what is missing; idempotent.
   *
   * @throws {MillraceError} TOPIC_MISMATCH when a topic exists with another number of partitions
   * or another value of a setting that was asked for.
   */
  createTopics(topics: readonly TopicSettings[]): Promise<void>;
  /**
   * Gives a topic more partitions, so that it has as many; where it has as many or more, nothing
   * happens. What stands in it stays where it is.
   *
   * @throws {MillraceError} TOPIC_UNKNOWN.
   */
  addPartitions(topic: string, partitions: number): Promise<void>;
  deleteTopics(names: readonly string[]): Promise<void>;
  /** All topics that are not internal to the broker, or those named; unknown names are left out. */
  describeTopics(names?: readonly string[]): Promise<TopicDescription[]>;
  /** Drops records below the offset; the log start moves there. */
  deleteRecords(partitions: readonly PartitionOffset[]): Promise<void>;
  listOffsets(partitions: readonly OffsetQuery[]): Promise<number[]>;
  /**
   * Reads batches from each partition, in one round trip a broker node. Waits up to `maxWaitMs`
   * for the first byte. Empty partitions are left out of the answer.
   *
   * @throws {MillraceError} OFFSET_OUT_OF_RANGE with topic, partition and log start.
   */
  fetch(request: FetchRequest): Promise<FetchedPartition[]>;
  producer(options: ProducerOptions): Promise<Producer>;
  /** Joins a group; the first assignment is ready when it resolves. */
  join(options: GroupOptions): Promise<GroupMember>;
  /** Committed offsets, stable ones: waits until no transaction of the group on them is open. */
  committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>;
  /** Commits outside of any transaction (sink pumps). With `member`, fenced by its generation. */
  commitOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void>;
  /**
   * Aborts the open transactions of the transactional ids that `stale` picks, by fencing their
   * producers, so that nobody waits for their time-out; with a scope also ends those whose end is
   * not told everywhere in it. Returns the ids. Absent where a transaction ends with its process
   * anyway.
   */
  fenceTransactions?(
    stale: (transactionalId: string) => boolean,
    scope?: TransactionScope,
  ): Promise<string[]>;
  close(): Promise<void>;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}
export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  /** @default 1 on a single node */
  readonly replicationFactor?: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface TopicDescription {
  readonly name: string;
  /**
   * Unique for the life of a topic: a recreated topic has another (Kafka's topic id, or a UUID).
   */
  readonly id: string;
  readonly partitions: number;
}

export interface OffsetQuery extends TopicPartition {
  /**
   * `stable`: the last stable offset; `latest`: the high watermark. On Kafka the markers of a
   * commit are written after its answer, partition by partition: what was committed just now, by
   * anybody, is below `stable` only once `stable` equals `latest`. A restore waits for that.
   */
  readonly at: "earliest" | "latest" | "stable";
}

export interface FetchRequest {
  readonly partitions: readonly (PartitionOffset & { readonly maxBytes: number })[];
  readonly isolation: "read_committed" | "read_uncommitted";
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

export interface FetchedPartition extends TopicPartition {
  /** The offset asked for: records below it may stand in the first batch. */
  readonly offset: number;
  /** Whole record batches; a cut-off last one is ignored by the reader. */
  readonly records: Buffer;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** Aborted transactions that overlap; in any order. Empty at read_uncommitted. */
  readonly aborted: readonly AbortedTransaction[];
}

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface ProducerOptions {
  /** null: idempotent, without transactions. */
  readonly transactionalId: string | null;
  /** @default 60000 */
  readonly transactionTimeoutMs?: number;
  /**
   * Where the transactions of the id write: a broker that has lost the end of the last one in a
   * part of it is told again, before the producer is ready. @default nothing is looked for
   */
  readonly scope?: TransactionScope;
}

/** All that the transactions of a producer may touch. */
export interface TransactionScope {
  readonly group: string;
  /** Topics that stand already. */
  readonly topics: readonly string[];
  /** Topics of whose offsets the group commits some with its transactions. */
  readonly offsetsOf: readonly string[];
}

/**
 * A batch to append: `encoded` is a whole record batch by {@link RecordBatchBuilder}; the producer
 * fills in id, epoch, sequence and CRC. At most one a partition in one `send`.
 */
export interface ProducerBatch extends TopicPartition {
  readonly batch: RecordBatch;
}

/** A finished record batch and how many records stand in it. Built by `record-batch/builder.ts`. */
export interface RecordBatch {
  readonly encoded: Buffer;
  readonly count: number;
}

/**
 * One writer. With a transactional id a newer producer of the same id fences it: every call then
 * rejects with PRODUCER_FENCED. After a failed `commit` or `abort` the outcome is unknown
 * (TRANSACTION_OUTCOME_UNKNOWN): close it, make a new one, read the committed offsets again.
 */
export interface Producer {
  readonly producerId: number;
  readonly epoch: number;
  begin(): void;
  /** Appends; resolves with the offset of the first record of each batch, in order. */
  send(batches: readonly ProducerBatch[]): Promise<number[]>;
  /** Adds offsets of a group to the open transaction, fenced by the member's generation. */
  sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
  close(): Promise<void>;
}

export interface OffsetToCommit extends PartitionOffset {
  /** At most 4,096 bytes of UTF-8. @default "" */
  readonly metadata?: string;
}

export interface CommittedOffset extends TopicPartition {
  /** null: nothing committed yet. */
  readonly offset: number | null;
  readonly metadata: string;
}

/** Who commits: fences members of earlier generations (KIP-447). */
export interface MemberIdentity {
  readonly memberId: string;
  readonly generation: number;
}

export interface GroupOptions {
  readonly group: string;
  /** Opaque bytes each member shows to the leader. */
  readonly metadata: Buffer;
  /** Run by the leader: member id → its assignment bytes. Must be deterministic. */
  readonly assign: (members: ReadonlyMap<string, Buffer>) => ReadonlyMap<string, Buffer>;
  /**
   * Name of this member over restarts: a newer member of the same name takes the place of the older
   * one at once, instead of after its session (KIP-345). @default none
   */
  readonly instanceId?: string;
  /** @default 30000 */
  readonly sessionTimeoutMs?: number;
  /** @default 60000 */
  readonly rebalanceTimeoutMs?: number;
}

/** One membership. A background timer sends heartbeats. */
export interface GroupMember {
  readonly identity: MemberIdentity;
  readonly assignment: Buffer;
  /**
   * Called when the assignment no longer holds (a rebalance began, or the member was thrown out).
   * Every ownership ends with it; call `rejoin` to go on.
   */
  onLost(listener: () => void): void;
  /** Takes part in the next generation; identity and assignment are new when it resolves. */
  rejoin(): Promise<void>;
  leave(): Promise<void>;
}
