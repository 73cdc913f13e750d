import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";

/** How long a fetch stands at the broker while nothing comes, ms. */
const standMs = 5_000;
/** Least time between the beginnings of two fetches: what comes meanwhile is one answer, ms. */
const restMs = 100;
/** Bytes of one answer. */
const answerBytes = 8 * 1024 * 1024;

export type Asked = FetchRequest["partitions"][number];

/** One reader that waits. */
interface Ask {
  readonly places: ReadonlyMap<string, Asked>;
  /** Told what came; null: ask the broker alone. */
  readonly done: (answer: FetchedPartition[] | null) => void;
}

/**
 * The fetches of all pumps of a process as one that stands at the broker until records come, so
 * that quiet topics cost a request in some seconds, and busy ones together as many as one. A place
 * is in one fetch at a time; a reader that gives up waiting leaves its place there and finds it
 * when it asks again. What nobody waits for any more is dropped, and fetched again.
 *
 * Readers are told one a turn of the event loop: what each does with its records at once would hold
 * up all else as long as all of it together.
 *
 * Memory: an answer a fetch; there are as many fetches as places apart.
 */
export class SharedFetch {
  readonly #broker: Pick<Broker, "fetch">;
  readonly #asks = new Set<Ask>();
  /** Of the fetches that stand at the broker: what they ask for. */
  readonly #standing = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(broker: Pick<Broker, "fetch">) {
    this.#broker = broker;
  }

  /**
   * Records of some of these partitions, once there are any; none when `over` resolves before.
   * Null: something is wrong with one of those fetched together, or with the broker; whoever asks
   * alone is told whether it is theirs.
   *
   * @param over - resolves when the caller has something else to do.
   * @param waitMs - how long it waits at most.
   */
  async next(
    partitions: readonly Asked[],
    over: Promise<unknown>,
    waitMs: number,
  ): Promise<FetchedPartition[] | null> {
    const places = new Map(partitions.map((each) => [placeOf(each), each]));
    let ask: Ask | null = null;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<FetchedPartition[]>((done) => {
      timer = setTimeout(() => done([]), waitMs);
    });
    const answered = new Promise<FetchedPartition[] | null>((done) => {
      ask = { places, done };
      this.#asks.add(ask);
    });
    this.#schedule();
    try {
      return await Promise.race([answered, late, over.then(() => [])]);
    } finally {
      clearTimeout(timer);
      if (ask !== null) this.#asks.delete(ask);
    }
  }

  #schedule(): void {
    if (this.#timer !== null || this.#unasked().length === 0) return;
    const waitMs = Math.max(0, this.#lastAt + restMs - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#fetch(this.#unasked());
    }, waitMs);
  }

  /** What no fetch asks for yet; of a partition at one offset, as a request may name it once. */
  #unasked(): Asked[] {
    const wanted = new Map<string, Asked>();
    for (const { places } of this.#asks) {
      for (const [place, asked] of places) {
        if (!this.#standing.has(place)) wanted.set(`${asked.topic}/${asked.partition}`, asked);
      }
    }
    return [...wanted.values()];
  }

  async #fetch(partitions: readonly Asked[]): Promise<void> {
    if (partitions.length === 0) return;
    this.#lastAt = performance.now();
    const names = partitions.map(placeOf);
    for (const name of names) this.#standing.add(name);
    // The same partition at another offset.
    this.#schedule();
    let answer: FetchedPartition[] | null;
    try {
      answer = await this.#broker.fetch({
        partitions,
        isolation: "read_committed",
        maxWaitMs: standMs,
        maxBytes: answerBytes,
      });
    } catch {
      answer = null;
    }
    await this.#tell(new Set(names), answer);
    for (const name of names) this.#standing.delete(name);
    this.#schedule();
  }

  async #tell(
    names: ReadonlySet<string>,
    answer: readonly FetchedPartition[] | null,
  ): Promise<void> {
    for (const ask of [...this.#asks]) {
      // It gave up while others were told.
      if (!this.#asks.has(ask)) continue;
      const own = answer?.filter((each) => ask.places.has(placeOf(each))) ?? [];
      const failed = answer === null && [...ask.places.keys()].some((place) => names.has(place));
      if (own.length === 0 && !failed) continue;
      this.#asks.delete(ask);
      ask.done(failed ? null : own);
      await nextTurn();
    }
  }
}

function placeOf({ topic, partition, offset }: Pick<Asked, "topic" | "partition" | "offset">) {
  return `${topic}/${partition}@${offset}`;
}
