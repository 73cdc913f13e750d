import type { Broker, FetchedPartition } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { GroupPlace } from "../group-place.ts";
import type { RowTopic } from "./row-topics.ts";
import { readTallies, type Tally, TallyCounter, tallyGroup, tallyText } from "./tally.ts";

export interface RowTopicPurgerOptions {
  readonly broker: Broker;
  /** Name of the plan. */
  readonly plan: string;
  readonly topics: readonly RowTopic[];
  /** Bytes of a partition above which it is purged, down to three quarters of it. */
  readonly limitBytes: number;
  /** Stable over restarts: a restart takes its old place at once. @default none */
  readonly instanceId?: string;
  /**
   * Told once when purging a topic begins to fail, and once (null) when it goes on.
   * @default nobody
   */
  readonly onTrouble?: (topic: string, error: unknown | null) => void;
}

/** Time between two looks at the sizes, ms. */
const lookEveryMs = 5_000;
/** Bytes that are tallied and deleted at once, at most, and one fetch. */
const sliceBytes = 32 * 1024 * 1024;
const fetchBytes = 1024 * 1024;
/** Bytes read to learn how large records are. */
const sampleBytes = 256 * 1024;
const keptShare = 0.75;

interface Sample {
  /** Offsets that the partition held when it was taken. */
  readonly offsets: number;
  readonly bytesPerOffset: number;
}

/**
 * Keeps row topics at a size. What it deletes lies below the committed offset of every pump of the
 * topic, and was read and added to a tally that is committed before: a crash between leaves records
 * that are tallied already, which the next look deletes. Of several processes the one that the
 * group picks purges, and a commit of an earlier generation is refused, so no row is tallied twice.
 *
 * The size is an estimate: offsets between the tally and the end times the bytes of an offset in a
 * sample, which is taken anew whenever the partition has doubled.
 */
export class RowTopicPurger {
  readonly #options: RowTopicPurgerOptions;
  readonly #place: GroupPlace;
  readonly #reader = new RecordReader();
  readonly #samples = new Map<string, Sample>();
  readonly #failing = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();
  #looking = false;

  private constructor(options: RowTopicPurgerOptions, place: GroupPlace) {
    this.#options = options;
    this.#place = place;
    // Others wait in the group until it has joined again.
    place.onLost(() => void this.purge());
    this.#timer = setInterval(() => {
      if (!this.#looking) void this.purge();
    }, lookEveryMs);
    this.#timer.unref();
  }

  static async start(options: RowTopicPurgerOptions): Promise<RowTopicPurger> {
    const { broker, plan, instanceId } = options;
    const place = await GroupPlace.join(broker, {
      group: tallyGroup(plan),
      metadata: Buffer.alloc(0),
      assign: pickOne,
      ...(instanceId === undefined ? {} : { instanceId }),
    });
    return new RowTopicPurger(options, place);
  }

  /**
   * Looks at all topics now. Never rejects, whatever the policy of an error: what stands too long
   * costs room alone. Troubles are told, and the next look tries again.
   */
  purge(): Promise<void> {
    this.#running = this.#running.then(async () => {
      this.#looking = true;
      for (const topic of this.#options.topics) await this.#look(topic);
      this.#looking = false;
    });
    return this.#running;
  }

  /** Ends after the slice in hand. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
    await this.#place.leave().catch(() => {});
  }

  async #look(topic: RowTopic): Promise<void> {
    if (this.#stopped) return;
    try {
      const looked = await this.#place.turn(
        () => this.#place.rejoin(),
        () => this.#purgeTopic(topic),
      );
      // What it took over is looked at now. One that could not join again tries at the next look.
      if (looked === null && !this.#place.lost) await this.#look(topic);
    } catch (error) {
      if (!this.#place.endedBy(error) && !this.#failing.has(topic.topic)) {
        this.#failing.add(topic.topic);
        this.#options.onTrouble?.(topic.topic, error);
      }
    }
  }

  /** Whether this is its work. */
  async #purgeTopic(topic: RowTopic): Promise<boolean> {
    if (this.#place.assignment.length === 0) return false;
    for (let partition = 0; partition < topic.partitions; partition++) {
      while (!this.#stopped && (await this.#purgeSlice(topic, partition)));
    }
    if (this.#failing.delete(topic.topic)) this.#options.onTrouble?.(topic.topic, null);
    return true;
  }

  /** Tallies and deletes one slice; false when nothing more is to be purged. */
  async #purgeSlice(topic: RowTopic, partition: number): Promise<boolean> {
    const { broker, plan, limitBytes } = this.#options;
    const place = { topic: topic.topic, partition };
    const tally = (await readTallies(broker, plan, topic.topic, topic.partitions))[partition];
    const [start = 0, end = 0] = await broker.listOffsets([
      { ...place, at: "earliest" },
      { ...place, at: "stable" },
    ]);
    if (tally === undefined) return false;
    const { below } = tally;
    // A crash came between the tally and the delete.
    if (start < below) await broker.deleteRecords([{ ...place, offset: below }]);
    const stored = await this.#storedByAll(topic, partition);
    if (stored <= below) return false;
    const size = (end - below) * (await this.#bytesPerOffset(place, below, end));
    if (size <= limitBytes) return false;
    const surplus = Math.min(sliceBytes, size - keptShare * limitBytes);
    const next = await this.#count(topic, partition, tally, stored, surplus);
    const offsets = [{ ...place, offset: next.below, metadata: tallyText(next) }];
    await broker.commitOffsets(tallyGroup(plan), offsets, this.#place.identity);
    await broker.deleteRecords([{ ...place, offset: next.below }]);
    return true;
  }

  /** Offset below which every pump has stored everything; 0 when one has stored nothing yet. */
  async #storedByAll({ topic, pumpGroups }: RowTopic, partition: number): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (const group of pumpGroups) {
      const [committed] = await this.#options.broker.committed(group, [{ topic, partition }]);
      least = Math.min(least, committed?.offset ?? 0);
    }
    return Number.isFinite(least) ? least : 0;
  }

  /** Adds what stands from the tally on to it, up to `end` or to about so many bytes. */
  async #count(
    topic: RowTopic,
    partition: number,
    tally: Tally,
    end: number,
    wantedBytes: number,
  ): Promise<Tally> {
    const counter = new TallyCounter(topic.encoder, partition, tally);
    const reader = this.#reader;
    let below = tally.below;
    for (let bytes = 0; bytes < wantedBytes && below < end && !this.#stopped; ) {
      const place = { topic: topic.topic, partition };
      const fetched = await this.#fetch(place, below, Math.min(fetchBytes, wantedBytes - bytes));
      if (fetched === undefined) continue;
      reader.open(fetched, "read_committed");
      let passed = true;
      while (reader.next()) {
        if (reader.offset >= end) {
          passed = false;
          break;
        }
        counter.add(reader);
      }
      below = passed ? Math.min(end, Math.max(below, reader.nextOffset)) : end;
      bytes += fetched.records.length;
    }
    return counter.tally(below);
  }

  async #bytesPerOffset(
    place: { readonly topic: string; readonly partition: number },
    below: number,
    end: number,
  ): Promise<number> {
    const name = `${place.topic}/${place.partition}`;
    const offsets = end - below;
    const known = this.#samples.get(name);
    if (known !== undefined && offsets < 2 * known.offsets) return known.bytesPerOffset;
    const fetched = await this.#fetch(place, below, sampleBytes);
    if (fetched === undefined) return known?.bytesPerOffset ?? 0;
    const reader = this.#reader;
    reader.open(fetched, "read_committed");
    while (reader.next());
    const bytesPerOffset = fetched.records.length / Math.max(1, reader.nextOffset - below);
    this.#samples.set(name, { offsets, bytesPerOffset });
    return bytesPerOffset;
  }

  async #fetch(
    place: { readonly topic: string; readonly partition: number },
    offset: number,
    maxBytes: number,
  ): Promise<FetchedPartition | undefined> {
    const [fetched] = await this.#options.broker.fetch({
      partitions: [{ ...place, offset, maxBytes: Math.ceil(maxBytes) }],
      isolation: "read_committed",
      maxWaitMs: 1_000,
      maxBytes: Math.ceil(maxBytes),
    });
    return fetched;
  }
}

/** All work to one member, the same for everybody who looks. */
function pickOne(members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const ids = [...members.keys()].sort();
  return new Map(ids.map((id, index) => [id, Buffer.from(index === 0 ? "purge" : "")]));
}
