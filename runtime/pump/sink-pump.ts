import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, FetchedPartition, OffsetToCommit } from "../broker/broker.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { pendingRange, pendingText } from "./pending-range.ts";
import type { Sink, SinkBlock } from "./sink.ts";

export interface SinkPumpOptions {
  readonly broker: Broker;
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly sink: Sink;
  /** Consumer group; its committed offsets are the pump's memory. */
  readonly group: string;
  /** Rows that close a block. @default 50000 */
  readonly maxRows?: number;
  /** Bytes that close a block. @default 8388608 */
  readonly maxBytes?: number;
  /** Age in ms that closes a block. @default 1000 */
  readonly maxWaitMs?: number;
  /** Told once when the sink begins to fail, and once when it is back. @default nobody */
  readonly onTrouble?: (error: unknown | null) => void;
}

/** Waits between attempts to write, in ms: doubling from the first to the second. */
const backOffMs = { first: 100, most: 5_000 };

const fetchBytes = 4 * 1024 * 1024;

interface Partition {
  readonly number: number;
  /** Next offset to read. */
  position: number;
  /** Everything below is stored. */
  stored: number;
  block: SinkBlock;
  /** First offset of the block. */
  first: number;
  openedAt: number;
}

/**
 * Moves what is committed to a topic into a sink, block by block, each once: read at
 * read_committed, write, commit. While the sink is away the pump waits and holds at most one block a
 * partition; the topic is the buffer.
 */
export class SinkPump {
  readonly topic: string;
  /** Name of the sink. */
  readonly sink: string;
  readonly #options: SinkPumpOptions;
  readonly #partitions: Map<number, Partition>;
  readonly #topicId: string;
  readonly #reader = new RecordReader();
  readonly #maxRows: number;
  readonly #maxBytes: number;
  readonly #maxWaitMs: number;
  readonly #abort = new AbortController();
  #waiters: { offsets: ReadonlyMap<number, number>; done: () => void }[] = [];
  #failing = false;
  #running: Promise<void> | null = null;

  private constructor(options: SinkPumpOptions, topicId: string, partitions: Partition[]) {
    this.#options = options;
    this.topic = options.topic;
    this.sink = options.sink.name;
    this.#topicId = topicId;
    this.#partitions = new Map(partitions.map((partition) => [partition.number, partition]));
    this.#maxRows = options.maxRows ?? 50_000;
    this.#maxBytes = options.maxBytes ?? 8 * 1024 * 1024;
    this.#maxWaitMs = options.maxWaitMs ?? 1_000;
  }

  /** Reads the committed positions and writes ranges that were pending, before anything else. */
  static async start(options: SinkPumpOptions): Promise<SinkPump> {
    const { broker, topic, group, sink } = options;
    const [description] = await broker.describeTopics([topic]);
    if (description === undefined) throw new RangeError(`topic ${topic} does not exist`);
    const committed = await broker.committed(
      group,
      options.partitions.map((partition) => ({ topic, partition })),
    );
    const starts = await broker.listOffsets(
      options.partitions.map((partition) => ({ topic, partition, at: "earliest" as const })),
    );
    const partitions = options.partitions.map((number, index) => {
      const position = committed[index]?.offset ?? (starts[index] as number);
      const block = sink.open(number);
      return { number, position, stored: position, block, first: position, openedAt: 0 };
    });
    const pump = new SinkPump(options, description.id, partitions);
    for (const [index, partition] of partitions.entries()) {
      const pending = pendingRange(committed[index]?.metadata ?? "");
      if (pending !== null) await pump.#writePending(partition, pending.next);
    }
    pump.#running = pump.#loop();
    return pump;
  }

  /** Everything below this offset of a partition is stored. */
  stored(partition: number): number {
    return this.#partitions.get(partition)?.stored ?? 0;
  }

  /** Records and markers between what is stored and the end, over all partitions. */
  async lag(): Promise<number> {
    const ends = await this.#ends();
    let lag = 0;
    for (const [partition, end] of ends) lag += Math.max(0, end - this.stored(partition));
    return lag;
  }

  /** Resolves when everything below these offsets is stored; blocks are written at once for it. */
  waitFor(offsets: ReadonlyMap<number, number>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ offsets, done: resolve });
      this.#running?.then(() => reject(new Error(`the pump of ${this.topic} stopped`)), reject);
    });
  }

  /**
   * Stores everything that stands in the topic now, a transaction under way included: a commit may
   * be answered before its records are visible.
   */
  async drain(): Promise<void> {
    await this.waitFor(await this.#ends());
  }

  /** Ends after the write in hand; what is not stored will be read again. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #loop(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      const fetched = await this.#fetch();
      for (const each of fetched) await this.#take(each);
      await this.#writeDue(fetched.length === 0);
      this.#answerWaiters();
    }
  }

  #fetch(): Promise<FetchedPartition[]> {
    const open = [...this.#partitions.values()].filter((each) => !this.#isFull(each));
    return this.#options.broker.fetch({
      partitions: open.map((each) => ({
        topic: this.topic,
        partition: each.number,
        offset: each.position,
        maxBytes: fetchBytes,
      })),
      isolation: "read_committed",
      maxWaitMs: this.#waiters.length > 0 ? 20 : 200,
      maxBytes: 4 * fetchBytes,
    });
  }

  #isFull({ block }: Partition): boolean {
    return block.rows >= this.#maxRows || block.bytes >= this.#maxBytes;
  }

  async #take(fetched: FetchedPartition): Promise<void> {
    const partition = this.#partitions.get(fetched.partition);
    if (partition === undefined) return;
    const reader = this.#reader;
    reader.open(fetched, "read_committed");
    while (!this.#isFull(partition)) {
      if (!reader.next()) {
        partition.position = Math.max(partition.position, reader.nextOffset);
        break;
      }
      if (partition.block.rows === 0 && partition.block.bytes === 0) this.#begin(partition);
      const looked = partition.block.add(reader);
      if (looked !== undefined) await looked;
      partition.position = reader.offset + 1;
    }
    if (partition.block.rows === 0 && partition.block.bytes === 0) {
      partition.first = partition.position;
      partition.stored = partition.position;
    }
  }

  #begin(partition: Partition): void {
    partition.first = partition.stored;
    partition.openedAt = performance.now();
  }

  /** Writes the blocks that are full, old or waited for. */
  async #writeDue(idle: boolean): Promise<void> {
    const now = performance.now();
    const due = [...this.#partitions.values()].filter((each) => {
      if (each.block.rows === 0 && each.block.bytes === 0) return false;
      if (this.#isFull(each) || now - each.openedAt >= this.#maxWaitMs) return true;
      return this.#isWaitedFor(each) && (idle || this.#reaches(each));
    });
    if (due.length === 0) return;
    if (this.#options.sink.exactRange) await this.#commit(due, true);
    for (const each of due) await this.#write(each);
    await this.#commit(due, false);
  }

  #isWaitedFor(partition: Partition): boolean {
    return this.#waiters.some(
      ({ offsets }) => (offsets.get(partition.number) ?? 0) > partition.stored,
    );
  }

  #reaches(partition: Partition): boolean {
    return this.#waiters.some(
      ({ offsets }) => (offsets.get(partition.number) ?? Infinity) <= partition.position,
    );
  }

  async #write(partition: Partition): Promise<void> {
    const range = {
      topicId: this.#topicId,
      partition: partition.number,
      first: partition.first,
      next: partition.position,
    };
    await this.#insist(() => this.#options.sink.write(partition.block, range));
    partition.stored = partition.position;
    partition.first = partition.position;
    partition.block = this.#options.sink.open(partition.number);
  }

  /** Repeats until it succeeds or the pump is stopped. */
  async #insist(attempt: () => Promise<void>): Promise<void> {
    for (let wait = backOffMs.first; ; wait = Math.min(backOffMs.most, wait * 2)) {
      try {
        await attempt();
        if (this.#failing) this.#options.onTrouble?.(null);
        this.#failing = false;
        return;
      } catch (error) {
        if (!this.#failing) this.#options.onTrouble?.(error);
        this.#failing = true;
        if (this.#abort.signal.aborted) throw error;
        await sleep(wait, undefined, { signal: this.#abort.signal }).catch(() => {});
      }
    }
  }

  async #commit(due: readonly Partition[], pending: boolean): Promise<void> {
    const { broker, group } = this.#options;
    const offsets: OffsetToCommit[] = due.map((each) => ({
      topic: this.topic,
      partition: each.number,
      offset: each.first,
      metadata: pending ? pendingText({ first: each.first, next: each.position }) : "",
    }));
    await this.#insist(() => broker.commitOffsets(group, offsets, null));
  }

  /** Rebuilds the block `[position, next)` of a write that may or may not have happened. */
  async #writePending(partition: Partition, next: number): Promise<void> {
    this.#begin(partition);
    while (partition.position < next) {
      const [fetched] = await this.#options.broker.fetch({
        partitions: [
          {
            topic: this.topic,
            partition: partition.number,
            offset: partition.position,
            maxBytes: fetchBytes,
          },
        ],
        isolation: "read_committed",
        maxWaitMs: 200,
        maxBytes: fetchBytes,
      });
      if (fetched === undefined) continue;
      this.#reader.open(fetched, "read_committed");
      while (this.#reader.next() && this.#reader.offset < next) {
        const looked = partition.block.add(this.#reader);
        if (looked !== undefined) await looked;
      }
      partition.position = Math.min(next, this.#reader.nextOffset);
    }
    await this.#write(partition);
    await this.#commit([partition], false);
  }

  #answerWaiters(): void {
    this.#waiters = this.#waiters.filter(({ offsets, done }) => {
      for (const [partition, offset] of offsets) {
        if (this.#partitions.has(partition) && this.stored(partition) < offset) return true;
      }
      done();
      return false;
    });
  }

  async #ends(): Promise<Map<number, number>> {
    const numbers = [...this.#partitions.keys()];
    const ends = await this.#options.broker.listOffsets(
      numbers.map((partition) => ({ topic: this.topic, partition, at: "latest" as const })),
    );
    return new Map(numbers.map((number, index) => [number, ends[index] as number]));
  }
}
