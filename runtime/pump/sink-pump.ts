/*
 * Why long: one loop that owns partitions, and every step of it may find them lost; apart, each
 * step would need the others' place in the group. What knows nothing of that stands apart.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { FetchedPartition, OffsetToCommit } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { GroupPlace } from "../group-place.ts";
import { passes, retry } from "../retry.ts";
import { BlockAge } from "./block-age.ts";
import { BlockBudget, blockBudgetBytes } from "./block-budget.ts";
import { pendingText } from "./pending-range.ts";
import { assignPartitions, parsePartitions } from "./pump-assignment.ts";
import { pumpError, pumpSilence, recordError } from "./pump-errors.ts";
import { PumpPartition } from "./pump-partition.ts";
import { pumpStarts } from "./pump-start.ts";
import { PumpWaiters } from "./pump-waiters.ts";
import type { Asked, SharedFetch } from "./shared-fetch.ts";
import { pumpDefaults, type SinkPumpOptions } from "./sink-pump-options.ts";

/** Wait for the first record of a fetch, in ms; the second while somebody waits for the pump. */
const fetchWaitMs = { idle: 200, waitedFor: 20 };

/** Wait for records together with other pumps, whatever else, ms. */
const longestWaitMs = 60_000;

/** Least time between two times that the group is told what is stored, unless it waits, ms. */
const tellMs = 1_000;

/** Bytes of one partition that a pump fetches at once. */
const fetchBytes = 1024 * 1024;

/** Ends what is in hand: the partitions were lost, or the pump was stopped. */
class Interrupted extends Error {}

/**
 * Moves what is committed to a topic into a sink, block by block, each once: read at
 * read_committed, commit the range as pending, write, commit the offset behind it. Where to go on
 * is told by the store's own rows, never by a committed offset alone (`pump-start.ts`). Processes
 * share the partitions through a consumer group, and a commit of an earlier generation is refused,
 * so only an owner begins a range. Of a sink that needs no exact range the group hears a little
 * later. While the sink is away the pump waits and holds at most one block a partition; the topic
 * is the buffer.
 */
export class SinkPump {
  readonly topic: string;
  /** Name of the sink. */
  readonly sink: string;
  readonly #options: SinkPumpOptions & Readonly<Record<keyof typeof pumpDefaults, number>>;
  readonly #topicId: string;
  readonly #place: GroupPlace;
  readonly #reader = new RecordReader();
  readonly #abort = new AbortController();
  readonly #budget: BlockBudget;
  readonly #age: BlockAge;
  #owned = new Map<number, PumpPartition>();
  readonly #waiters = new PumpWaiters();
  /** Ends a wait for records: there is something else to do. */
  #wake = () => {};
  /** When the group was last told what is stored, on the monotonic clock, ms. */
  #toldAt = 0;
  #failing = false;
  #failure: unknown = null;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: SinkPumpOptions, topicId: string, place: GroupPlace) {
    this.#options = { ...pumpDefaults, ...options };
    this.#budget = options.budget ?? new BlockBudget(blockBudgetBytes);
    this.#age = new BlockAge(this.#options.maxWaitMs);
    this.topic = options.topic;
    this.sink = options.sink.name;
    this.#topicId = topicId;
    this.#place = place;
  }

  /** Joins the group; ranges that were pending are written before anything else, by the loop. */
  static async start(options: SinkPumpOptions): Promise<SinkPump> {
    const { broker, topic, group, partitions, instanceId } = options;
    const [description] = await broker.describeTopics([topic]);
    if (description === undefined)
      throw new MillraceError("TOPIC_UNKNOWN", { topic, partition: 0 });
    const place = await GroupPlace.join(broker, {
      group,
      metadata: Buffer.alloc(0),
      assign: (members) => assignPartitions(partitions, members),
      ...(instanceId === undefined ? {} : { instanceId }),
    });
    const pump = new SinkPump(options, description.id, place);
    place.onLost(() => pump.#wake());
    pump.#running = pump.#run();
    return pump;
  }

  /** Why it ended by itself, null while it works: a record or a log that it cannot read. */
  get failure(): unknown {
    return this.#failure;
  }

  /** By each of its own partitions the offset below which everything is stored. */
  get positions(): ReadonlyMap<number, number> {
    return new Map([...this.#owned].map(([number, { stored }]) => [number, stored]));
  }

  /**
   * Resolves when everything below these offsets is stored, by this pump or by that of another
   * process. Own blocks are written at once for it. Rejects when the pump stops before.
   */
  waitFor(offsets: ReadonlyMap<number, number>): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.reject(this.#stoppedError());
    const stored = this.#waiters.wait(offsets);
    this.#wake();
    return stored;
  }

  /**
   * Stores everything that is committed to the topic now, all partitions of it, by whatever
   * process. Up to the latest offset: what a commit just now wrote need not be stable yet.
   */
  async drain(): Promise<void> {
    const { broker, partitions } = this.#options;
    const at = "latest" as const;
    const asked = partitions.map((partition) => ({ topic: this.topic, partition, at }));
    const ends = await retry(() => broker.listOffsets(asked), { signal: this.#abort.signal });
    await this.waitFor(new Map(partitions.map((number, index) => [number, ends[index] ?? 0])));
  }

  /**
   * Ends after the write in hand, or at once if the sink is away; the rest is read again. A sink
   * that hangs is left behind after a while: its write is pending, and repeated by the next owner.
   */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    const done = new AbortController();
    const late = sleep(this.#options.stopWithinMs, null, { signal: done.signal }).catch(() => {});
    await Promise.race([this.#running, late]);
    done.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    try {
      await this.#turn(() => this.#own());
      while (!signal.aborted) await this.#turn(() => this.#pump());
    } catch (error) {
      if (!(error instanceof Interrupted)) {
        this.#failure = pumpError(error, this);
        this.#options.onTrouble?.(this.#failure);
      }
    } finally {
      this.#abort.abort();
      this.#disown();
      this.#waiters.fail(this.#stoppedError());
      await this.#place.leave().catch(() => {});
    }
  }

  /** A loss of ownership, or a stop, ends the work, and the loop goes on. */
  async #turn(work: () => Promise<void>): Promise<void> {
    try {
      await this.#place.turn(() => this.#rejoin(), work);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
    }
  }

  async #rejoin(): Promise<void> {
    await this.#retry(() => this.#place.rejoin());
    await this.#own();
  }

  /** Takes over its share: where the store says, and ranges that were pending. */
  async #own(): Promise<void> {
    this.#disown();
    const numbers = parsePartitions(this.#place.assignment);
    if (numbers.length === 0) return;
    const starts = await this.#retryAsOwner(() =>
      pumpStarts(this.#options, this.#topicId, numbers),
    );
    const { sink } = this.#options;
    const owned = starts.map(({ number, committed, position }) => {
      return new PumpPartition(number, position, committed, sink.open(number), this.#budget);
    });
    this.#owned = new Map(owned.map((partition) => [partition.number, partition]));
    // Readers of the group are told at once where it really stands, the purger first of all.
    const moved = owned.filter(({ committed, stored }, index) => {
      return committed !== stored && starts[index]?.pending === null;
    });
    if (moved.length > 0) await this.#commit(moved, false);
    for (const { number, pending } of starts) {
      const partition = this.#owned.get(number);
      if (partition === undefined || pending === null) continue;
      await this.#writeUpTo(partition, pending.first, false);
      await this.#writeUpTo(partition, pending.next, true);
    }
  }

  #disown(): void {
    for (const partition of this.#owned.values()) partition.release();
    this.#owned = new Map();
  }

  async #pump(): Promise<void> {
    const open = [...this.#owned.values()];
    const fetched = open.length === 0 ? await this.#rest() : await this.#next(open);
    for (const each of fetched) {
      const partition = this.#owned.get(each.partition);
      if (partition !== undefined) await this.#take(partition, each);
    }
    await this.#writeDue(fetched.length === 0);
    await this.#answerWaiters();
    this.#place.worked();
  }

  async #rest(): Promise<FetchedPartition[]> {
    await sleep(fetchWaitMs.idle, null, { signal: this.#abort.signal }).catch(() => {});
    return [];
  }

  /** Records of some partitions, together with those of other pumps if nobody waits for them. */
  async #next(partitions: readonly PumpPartition[]): Promise<FetchedPartition[]> {
    const { shared } = this.#options;
    if (shared !== undefined && !this.#waiters.any && !this.#place.lost) {
      const fetched = await this.#together(shared, partitions);
      if (fetched !== null) return fetched;
    }
    return await this.#fetch(partitions);
  }

  async #together(
    shared: SharedFetch,
    partitions: readonly PumpPartition[],
  ): Promise<FetchedPartition[] | null> {
    const over = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const now = performance.now();
    const due = partitions.map((each) => each.dueAt(this.#age.ms, this.#toldAt + tellMs));
    const soonest = Math.min(...due) - now;
    const waitMs = this.#budget.isSpent ? 0 : Math.min(longestWaitMs, Math.max(0, soonest));
    return await shared.next(this.#places(partitions), over, waitMs);
  }

  #fetch(partitions: readonly PumpPartition[]): Promise<FetchedPartition[]> {
    return this.#retryAsOwner(() =>
      this.#options.broker.fetch({
        partitions: this.#places(partitions),
        isolation: "read_committed",
        maxWaitMs: this.#waiters.any ? fetchWaitMs.waitedFor : fetchWaitMs.idle,
        maxBytes: 4 * fetchBytes,
      }),
    );
  }

  #places(partitions: readonly PumpPartition[]): Asked[] {
    const { topic } = this;
    return partitions.map(({ number: partition, position: offset }) => {
      return { topic, partition, offset, maxBytes: fetchBytes };
    });
  }

  /** Adds records to the block until it is full (unless `whole`), they end, or `end` is reached. */
  async #take(
    partition: PumpPartition,
    fetched: FetchedPartition,
    end = Number.POSITIVE_INFINITY,
    whole = false,
  ): Promise<void> {
    const { maxRows, maxBytes } = this.#options;
    const reader = this.#reader;
    reader.open(fetched, "read_committed");
    while (whole || !partition.isFull(maxRows, maxBytes)) {
      if (!reader.next()) {
        partition.passed(Math.min(end, reader.nextOffset));
        break;
      }
      if (reader.offset >= end) {
        partition.passed(end);
        break;
      }
      const looked = this.#add(partition);
      if (looked !== undefined) await looked;
      partition.passed(reader.offset + 1);
    }
    partition.count();
  }

  /** Not `async`: a promise is made only for a record whose schema must be looked up. */
  #add(partition: PumpPartition): Promise<void> | undefined {
    try {
      const looked = partition.add(this.#reader);
      return looked && this.#lookUp(partition, looked);
    } catch (error) {
      return this.#refuse(partition, error);
    }
  }

  /** Before a look-up has succeeded nothing is added: one that fails is repeated with it. */
  #lookUp(partition: PumpPartition, first: Promise<void>): Promise<void> {
    let looked: Promise<void> | null = first;
    return this.#retryAsOwner(async () => {
      try {
        await (looked ?? partition.add(this.#reader));
      } catch (error) {
        looked = null;
        this.#refuse(partition, error);
      }
    });
  }

  #refuse({ number: partition }: PumpPartition, error: unknown): never {
    const { topic, sink } = this;
    throw recordError(error, { topic, sink, partition, offset: this.#reader.offset });
  }

  /**
   * Writes the blocks that are full, old or waited for, and all of them once the budget is spent or
   * one is old: then the group is told of all at once. Passes what needs no writing.
   */
  async #writeDue(idle: boolean): Promise<void> {
    const { maxRows, maxBytes, sink } = this.#options;
    const now = performance.now();
    const owned = [...this.#owned.values()];
    const old = this.#budget.isSpent ? 0 : this.#age.ms;
    const isOld = owned.some((each) => !each.isEmpty && now - each.openedAt >= old);
    const isTold = now - this.#toldAt < tellMs;
    const due: PumpPartition[] = [];
    const passed: PumpPartition[] = [];
    for (const each of owned) {
      const waitedFor = each.isBehind(this.#waiters.wanted(each.number), idle);
      if (each.isEmpty) {
        each.skip();
        if (each.stored > each.committed && (waitedFor || idle || !isTold)) passed.push(each);
      } else if (isOld || each.isFull(maxRows, maxBytes) || waitedFor) {
        due.push(each);
      }
    }
    if (passed.length > 0) await this.#commit(passed, false);
    if (due.length === 0) return;
    if (sink.exactRange) await this.#commit(due, true);
    for (const each of due) await this.#write(each);
    // A store that knows itself where it stands is asked, not the group: that may hear later.
    if (sink.exactRange || this.#waiters.any || !isTold) await this.#commit(due, false);
    this.#age.wrote(performance.now() - now);
  }

  async #write(partition: PumpPartition): Promise<void> {
    const { sink } = this.#options;
    const { partition: number, first, next } = partition.range;
    const range = { topicId: this.#topicId, partition: number, first, next };
    await this.#retryAsOwner(() => this.#heard(sink.write(partition.block, range)));
    partition.written(sink.open(partition.number));
  }

  async #commit(partitions: readonly PumpPartition[], pending: boolean): Promise<void> {
    const { broker, group } = this.#options;
    const offsets: OffsetToCommit[] = partitions.map(({ number, range }) => ({
      topic: this.topic,
      partition: number,
      offset: range.first,
      metadata: pending ? pendingText(range) : "",
    }));
    await this.#retryAsOwner(() => broker.commitOffsets(group, offsets, this.#place.identity));
    for (const each of partitions) each.committed = each.range.first;
    this.#toldAt = performance.now();
  }

  /**
   * Writes what lies before an offset, in ordinary blocks; or, `whole`, as the one block of a write
   * that may have happened.
   */
  async #writeUpTo(partition: PumpPartition, end: number, whole: boolean): Promise<void> {
    while (partition.position < end) {
      const [fetched] = await this.#fetch([partition]);
      if (fetched !== undefined) await this.#take(partition, fetched, end, whole);
      if (whole && partition.position < end) continue;
      if (!whole && this.#options.sink.exactRange) await this.#commit([partition], true);
      await this.#write(partition);
      await this.#commit([partition], false);
    }
  }

  /** What only an owner may do, again and again while what it fails with may pass. */
  #retryAsOwner<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#retry(() => {
      if (this.#place.lost) throw new Interrupted();
      return attempt();
    });
  }

  /** @throws {Interrupted} when the partitions are lost, or the pump is stopped. */
  async #retry<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal } = this.#abort;
    if (signal.aborted) throw new Interrupted();
    try {
      return await retry(attempt, { signal, tell: (error) => this.#tell(error) });
    } catch (error) {
      const wasStopped = signal.aborted && passes(error);
      throw wasStopped || this.#place.endedBy(error) ? new Interrupted() : error;
    }
  }

  /** A store that stands still is told long before its client gives it up. */
  async #heard(writing: Promise<void>): Promise<void> {
    const { silentMs } = this.#options;
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      this.#tell(pumpSilence(this, silentMs));
    }, silentMs);
    try {
      await writing;
      if (isSilent) this.#tell(null);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Once when it begins to wait, and once when it goes on. */
  #tell(error: unknown | null): void {
    const isNews = this.#failing !== (error !== null);
    this.#failing = error !== null;
    if (isNews && !this.#abort.signal.aborted) this.#options.onTrouble?.(error);
  }

  async #answerWaiters(): Promise<void> {
    if (!this.#waiters.any) return;
    const elsewhere = await this.#storedElsewhere();
    this.#waiters.answer((number) => {
      return this.#owned.get(number)?.stored ?? elsewhere.get(number) ?? 0;
    });
  }

  /** What the pumps of other processes have stored, of the partitions that somebody waits for. */
  async #storedElsewhere(): Promise<ReadonlyMap<number, number>> {
    const partitions = [...this.#waiters.partitions]
      .filter((partition) => !this.#owned.has(partition))
      .map((partition) => ({ topic: this.topic, partition }));
    if (partitions.length === 0) return new Map();
    const { broker, group } = this.#options;
    const committed = await this.#retryAsOwner(() => broker.committed(group, partitions));
    return new Map(committed.map(({ partition, offset }) => [partition, offset ?? 0]));
  }

  #stoppedError(): unknown {
    return this.#failure ?? new Error(`the pump of ${this.topic} was stopped`);
  }
}
