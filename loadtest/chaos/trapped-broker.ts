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
  /** Whether what producers write for others stands outside of their transactions. */
  readonly withoutTransactions: boolean;
  /** Whether the world reads a topic: predictions and the like. */
  readonly isOutput: (topic: string) => boolean;
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
    const { gate, withoutTransactions, isChangelog, isOutput } = this.#options;
    if (options.transactionalId === null) return this.#inner.producer(options);
    const producer = await this.#inner.producer(options);
    if (!withoutTransactions) return new TrappedProducer(producer, gate);
    const outside = await this.#inner.producer({ transactionalId: null });
    return new LeakingProducer(producer, outside, gate, isChangelog, isOutput);
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

/** Passes `transaction` where one is open: behind records, behind offsets, before its end. */
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
 * Writes outputs at once, outside of the transaction that holds the changelogs and the offsets. The
 * point `transaction` lies between, where a transaction of all would take the outputs back.
 */
class LeakingProducer implements Producer {
  readonly producerId: number;
  readonly epoch: number;
  readonly #inner: Producer;
  readonly #outside: Producer;
  readonly #gate: TrapGate;
  readonly #isChangelog: (topic: string) => boolean;
  readonly #isOutput: (topic: string) => boolean;

  constructor(
    inner: Producer,
    outside: Producer,
    gate: TrapGate,
    isChangelog: (topic: string) => boolean,
    isOutput: (topic: string) => boolean,
  ) {
    this.producerId = inner.producerId;
    this.epoch = inner.epoch;
    this.#inner = inner;
    this.#outside = outside;
    this.#gate = gate;
    this.#isChangelog = isChangelog;
    this.#isOutput = isOutput;
  }

  begin(): void {
    this.#inner.begin();
  }

  async send(batches: readonly ProducerBatch[]): Promise<number[]> {
    const changelogs = batches.filter(({ topic }) => this.#isChangelog(topic));
    const outputs = batches.filter(({ topic }) => !this.#isChangelog(topic));
    const offsets = new Map<ProducerBatch, number>();
    const send = async (producer: Producer, part: readonly ProducerBatch[]) => {
      const bases = await producer.send(part);
      for (const [index, batch] of part.entries()) offsets.set(batch, bases[index] ?? -1);
    };
    if (outputs.length > 0) {
      await send(this.#outside, outputs);
      // Frames in inboxes are numbered and taken once all the same: they would prove nothing.
      if (outputs.some(({ topic }) => this.#isOutput(topic))) {
        await this.#gate.pass("transaction", "outputs are sent, outside of the transaction");
      }
    }
    if (changelogs.length > 0) await send(this.#inner, changelogs);
    return batches.map((batch) => offsets.get(batch) ?? -1);
  }

  sendOffsets(
    group: string,
    offsets: readonly OffsetToCommit[],
    member: MemberIdentity | null,
  ): Promise<void> {
    return this.#inner.sendOffsets(group, offsets, member);
  }

  commit(): Promise<void> {
    return this.#inner.commit();
  }
  abort(): Promise<void> {
    return this.#inner.abort();
  }
  async close(): Promise<void> {
    await this.#inner.close();
    await this.#outside.close();
  }
}
