import type {
  Broker,
  CommittedOffset,
  FetchedPartition,
  FetchRequest,
  GroupMember,
  GroupOptions,
  MemberIdentity,
  OffsetQuery,
  OffsetToCommit,
  PartitionOffset,
  Producer,
  ProducerBatch,
  ProducerOptions,
  TopicDescription,
  TopicPartition,
  TopicSettings,
} from "../../runtime/broker/broker.ts";
import type { TrapGate } from "./trap-gate.ts";

export interface TrappedBrokerOptions {
  readonly inner: Broker;
  readonly gate: TrapGate;
  readonly isChangelog: (topic: string) => boolean;
  /** Of every group that is joined, ms. */
  readonly sessionTimeoutMs: number;
  /** Whether producers write without transactions. */
  readonly withoutTransactions: boolean;
}

/** A broker that passes the points `transaction` and `restore`; all else is the one within. */
export class TrappedBroker implements Broker {
  readonly kind: Broker["kind"];
  readonly #inner: Broker;
  readonly #options: TrappedBrokerOptions;

  constructor(options: TrappedBrokerOptions) {
    this.kind = options.inner.kind;
    this.#inner = options.inner;
    this.#options = options;
  }

  async fetch(request: FetchRequest): Promise<FetchedPartition[]> {
    const { gate, isChangelog } = this.#options;
    const changelog = request.partitions.find(({ topic }) => isChangelog(topic));
    // Changelogs are read by nobody but tasks that restore.
    if (changelog !== undefined) {
      await gate.pass("restore", `${changelog.topic}/${changelog.partition}`);
    }
    return this.#inner.fetch(request);
  }

  async producer(options: ProducerOptions): Promise<Producer> {
    const { gate, withoutTransactions, isChangelog } = this.#options;
    if (options.transactionalId === null) return this.#inner.producer(options);
    if (!withoutTransactions) {
      return new TrappedProducer(await this.#inner.producer(options), gate);
    }
    const producer = await this.#inner.producer({ ...options, transactionalId: null });
    return new PlainProducer(producer, this.#inner, gate, isChangelog);
  }

  join(options: GroupOptions): Promise<GroupMember> {
    const { sessionTimeoutMs } = this.#options;
    return this.#inner.join({ ...options, sessionTimeoutMs });
  }

  createTopics(topics: readonly TopicSettings[]): Promise<void> {
    return this.#inner.createTopics(topics);
  }
  deleteTopics(names: readonly string[]): Promise<void> {
    return this.#inner.deleteTopics(names);
  }
  describeTopics(names?: readonly string[]): Promise<TopicDescription[]> {
    return this.#inner.describeTopics(names);
  }
  deleteRecords(partitions: readonly PartitionOffset[]): Promise<void> {
    return this.#inner.deleteRecords(partitions);
  }
  listOffsets(partitions: readonly OffsetQuery[]): Promise<number[]> {
    return this.#inner.listOffsets(partitions);
  }
  committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    return this.#inner.committed(group, partitions);
  }
  commitOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    return this.#inner.commitOffsets(group, offsets, member);
  }
  async fenceTransactions(stale: (transactionalId: string) => boolean): Promise<string[]> {
    return (await this.#inner.fenceTransactions?.(stale)) ?? [];
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Passes `transaction` wherever a transaction is open: behind records, behind offsets, at its end. */
class TrappedProducer implements Producer {
  readonly producerId: number;
  readonly epoch: number;
  readonly #inner: Producer;
  readonly #gate: TrapGate;

  constructor(inner: Producer, gate: TrapGate) {
    this.producerId = inner.producerId;
    this.epoch = inner.epoch;
    this.#inner = inner;
    this.#gate = gate;
  }

  begin(): void {
    this.#inner.begin();
  }

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    const offsets = await this.#inner.send(batches);
    await this.#gate.pass("transaction", "records are sent");
    return offsets;
  }

  async sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    await this.#inner.sendOffsets(group, offsets, member);
    await this.#gate.pass("transaction", "offsets are sent");
  }

  async commit(): Promise<void> {
    await this.#gate.pass("transaction", "about to commit");
    await this.#inner.commit();
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
}

/**
 * Writes at once what belongs into a transaction: outputs, then changelogs, then offsets. The point
 * `transaction` lies between the first two, where a transaction would take the outputs back.
 */
class PlainProducer implements Producer {
  readonly producerId: number;
  readonly epoch: number;
  readonly #inner: Producer;
  readonly #broker: Broker;
  readonly #gate: TrapGate;
  readonly #isChangelog: (topic: string) => boolean;

  constructor(
    inner: Producer,
    broker: Broker,
    gate: TrapGate,
    isChangelog: (topic: string) => boolean,
  ) {
    this.producerId = inner.producerId;
    this.epoch = inner.epoch;
    this.#inner = inner;
    this.#broker = broker;
    this.#gate = gate;
    this.#isChangelog = isChangelog;
  }

  begin(): void {}

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    const [first, second] = [
      batches.filter(({ topic }) => !this.#isChangelog(topic)),
      batches.filter(({ topic }) => this.#isChangelog(topic)),
    ];
    const offsets = new Map<ProducerBatch, number>();
    for (const part of [first, second]) {
      const bases = part.length === 0 ? [] : await this.#inner.send(part);
      for (const [index, batch] of part.entries()) offsets.set(batch, bases[index] ?? -1);
      if (part === first && first.length > 0) {
        await this.#gate.pass("transaction", "outputs are sent, without a transaction");
      }
    }
    return batches.map((batch) => offsets.get(batch) ?? -1);
  }

  sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    return this.#broker.commitOffsets(group, offsets, member);
  }

  async commit(): Promise<void> {}
  async abort(): Promise<void> {}
  close(): Promise<void> {
    return this.#inner.close();
  }
}
