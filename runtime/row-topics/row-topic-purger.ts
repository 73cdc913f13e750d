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

/** Where a partition of a row topic stands: offsets. */
interface Standing {
  readonly partition: number;
  readonly tally: Tally;
  readonly start: number;
  /** Of what is committed. */
  readonly end: number;
  /** Below it every pump has stored everything. */
  readonly stored: number;
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
    const standing = await this.#standing(topic);
    for (let partition = 0; partition < topic.partitions; partition++) {
      let stands = standing[partition];
      while (!this.#stopped && stands !== undefined && (await this.#purgeSlice(topic, stands))) {
        stands = (await this.#standing(topic))[partition];
      }
    }
    if (this.#failing.delete(topic.topic)) this.#options.onTrouble?.(topic.topic, null);
    return true;
  }

  /** Where the partitions of a topic stand, in a few questions for all of them. */
  async #standing({ topic, partitions, pumpGroups }: RowTopic): Promise<Standing[]> {
    const { broker, plan } = this.#options;
    const tallies = await readTallies(broker, plan, topic, partitions);
    const places = tallies.map((_, partition) => ({ topic, partition }));
    const offsets = await broker.listOffsets([
      ...places.map((place) => ({ ...place, at: "earliest" as const })),
      ...places.map((place) => ({ ...place, at: "stable" as const })),
    ]);
    // The committed offset of every pump; 0 where one has stored nothing yet.
    const stored: number[][] = [];
    for (const group of pumpGroups) {
      stored.push((await broker.committed(group, places)).map(({ offset }) => offset ?? 0));
    }
    return tallies.map((tally, partition) => ({
      ...{ partition, tally },
      start: offsets[partition] ?? 0,
      end: offsets[partitions + partition] ?? 0,
      stored: stored.length === 0 ? 0 : Math.min(...stored.map((of) => of[partition] ?? 0)),
    }));
  }

  /** Tallies and deletes one slice; false when nothing more is to be purged. */
  async #purgeSlice(
    topic: RowTopic,
    { partition, tally, start, end, stored }: Standing,
  ): Promise<boolean> {
    const { broker, plan, limitBytes } = this.#options;
    const place = { topic: topic.topic, partition };
    const { below } = tally;
    // A crash came between the tally and the delete.
    if (start < below) await broker.deleteRecords([{ ...place, offset: below }]);
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
