import type * as port from "../../broker/broker.ts";
import { ForwardingBroker, ForwardingProducer } from "../../broker/forwarding.ts";
import type { TrapGate } from "./trap-gate.ts";

export interface TrappedBrokerOptions {
  readonly inner: port.Broker;
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
export class TrappedBroker extends ForwardingBroker {
  readonly #options: TrappedBrokerOptions;

  constructor(options: TrappedBrokerOptions) {
    super(options.inner);
    this.#options = options;
  }

  override async fetch(request: port.FetchRequest): Promise<port.FetchedPartition[]> {
    const { gate, isChangelog } = this.#options;
    const changelog = request.partitions.find(({ topic }) => isChangelog(topic));
    // Changelogs are read by nobody but tasks that restore.
    if (changelog !== undefined) {
      await gate.pass("restore", `${changelog.topic}/${changelog.partition}`);
    }
    return await super.fetch(request);
  }

  override async producer(options: port.ProducerOptions): Promise<port.Producer> {
    const producer = await super.producer(options);
    if (options.transactionalId === null) return producer;
    const { gate, withoutTransactions } = this.#options;
    if (!withoutTransactions) return new TrappedProducer(producer, gate);
    const outside = await super.producer({ transactionalId: null });
    return new LeakingProducer(producer, outside, this.#options);
  }

  override join(options: port.GroupOptions): Promise<port.GroupMember> {
    const { sessionTimeoutMs } = this.#options;
    return super.join({ ...options, sessionTimeoutMs });
  }
}

/** Passes `transaction` where one is open: behind records, behind offsets, before its end. */
class TrappedProducer extends ForwardingProducer {
  readonly #gate: TrapGate;

  constructor(inner: port.Producer, gate: TrapGate) {
    super(inner);
    this.#gate = gate;
  }

  override async send(batches: readonly port.ProducerBatch[]): Promise<number[]> {
    const offsets = await super.send(batches);
    await this.#gate.pass("transaction", "records are sent");
    return offsets;
  }

  override async sendOffsets(
    group: string,
    offsets: readonly port.OffsetToCommit[],
    member: port.MemberIdentity | null,
  ): Promise<void> {
    await super.sendOffsets(group, offsets, member);
    await this.#gate.pass("transaction", "offsets are sent");
  }

  override async commit(): Promise<void> {
    await this.#gate.pass("transaction", "about to commit");
    await super.commit();
  }
}

/**
 * Writes outputs at once, outside of the transaction that holds the changelogs and the offsets. The
 * point `transaction` lies between, where a transaction of all would take the outputs back.
 */
class LeakingProducer extends ForwardingProducer {
  readonly #outside: port.Producer;
  readonly #options: TrappedBrokerOptions;

  constructor(inner: port.Producer, outside: port.Producer, options: TrappedBrokerOptions) {
    super(inner);
    this.#outside = outside;
    this.#options = options;
  }

  override async send(batches: readonly port.ProducerBatch[]): Promise<number[]> {
    const { gate, isChangelog, isOutput } = this.#options;
    const changelogs = batches.filter(({ topic }) => isChangelog(topic));
    const outputs = batches.filter(({ topic }) => !isChangelog(topic));
    const offsets = new Map<port.ProducerBatch, number>();
    const note = (part: readonly port.ProducerBatch[], bases: readonly number[]) => {
      for (const [index, batch] of part.entries()) offsets.set(batch, bases[index] ?? -1);
    };
    if (outputs.length > 0) {
      note(outputs, await this.#outside.send(outputs));
      // Frames in inboxes are numbered and taken once all the same: they would prove nothing.
      if (outputs.some(({ topic }) => isOutput(topic))) {
        await gate.pass("transaction", "outputs are sent, outside of the transaction");
      }
    }
    if (changelogs.length > 0) note(changelogs, await super.send(changelogs));
    return batches.map((batch) => offsets.get(batch) ?? -1);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#outside.close();
  }
}
