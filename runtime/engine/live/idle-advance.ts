import type { Broker } from "../../../broker/broker.ts";
import { type Plan, readsSource } from "../../../schemas/plan.ts";
import type { SourceTask } from "../source-task.ts";

/**
 * Least time between two looks at the ends of the source partitions, ms: where a commit waits for
 * one, where a task needs a later one than the last, and where one may bring news.
 */
const lookEveryMs = { awaited: 0, needed: 20, watching: 50 } as const;

/** What advancing writes of a quiet topology, on average: records and markers a second. */
const quietRecordsPerSecond = 0.5;

/**
 * Live mode: source partitions that are read to their ends advance by the wall clock, so that one
 * without records holds up nothing. What stood beyond the end when the clock was read comes later
 * than that: it is known later.
 *
 * Each advance costs a commit of every task behind it, so they advance where that lets something
 * happen: records have come to some partition, or a task needs event time to pass (a record waits,
 * a timer is due). Without either they follow the clock at a distance of `quietMs` at most.
 *
 * It looks at once when a task needs what the last look did not give, and rarely while nobody does.
 */
export class IdleAdvance {
  readonly #plan: Plan;
  readonly #workers: () => number;
  readonly #restMs: number;
  #quiet = { workers: 0, ms: 0 };
  readonly #broker: Broker;
  readonly #now: () => number;
  readonly #tell: () => void;
  readonly #places: readonly { readonly topic: string; readonly partition: number }[];
  /** By place: the end of the partition at `#at`. */
  #ends = new Map<string, number>();
  #at = Number.NEGATIVE_INFINITY;
  /** Whether records had come to any partition, of whatever process, at the last look. */
  #moved = false;
  #looking = false;
  #lastLook = Number.NEGATIVE_INFINITY;
  /** Tells when the next look is due. */
  #timer: NodeJS.Timeout | null = null;
  #tellsAt = Number.POSITIVE_INFINITY;

  /**
   * @param tell - called when a look has brought news, when one is due, and by `tellIn`.
   * @param workers - how many processes share the tasks now.
   * @param restMs - time between two looks while nobody needs one, ms.
   */
  constructor(
    plan: Plan,
    broker: Broker,
    now: () => number,
    tell: () => void,
    workers: () => number,
    restMs: number,
  ) {
    this.#plan = plan;
    this.#workers = workers;
    this.#restMs = restMs;
    this.#broker = broker;
    this.#now = now;
    this.#tell = tell;
    this.#places = plan.subtopologies
      .filter(({ operator }) => readsSource(operator))
      .flatMap(({ inbox: topic, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
      );
  }

  /** How far progress may lie behind the clock while nothing happens, ms. */
  get quietMs(): number {
    const workers = this.#workers();
    if (this.#quiet.workers !== workers) {
      this.#quiet = { workers, ms: quietMsOf(this.#plan, workers) };
    }
    return this.#quiet.ms;
  }

  /**
   * Advances by the last look, and begins another beside the caller when it is time.
   *
   * @param needs - event times that tasks, of whatever process, need all sources to pass.
   * @param isAwaited - whether a commit waits for what a look gives.
   */
  step(tasks: readonly SourceTask[], needs: readonly number[], isAwaited = false): void {
    const at = this.#at;
    const { quietMs } = this;
    for (const task of tasks) {
      const end = this.#ends.get(nameOf(task.subtopology.inbox, task.partition));
      if (end === undefined) continue;
      const { progress } = task;
      const isNeeded = needs.some((need) => need >= progress && need < at);
      if (this.#moved || isNeeded || at - progress >= quietMs) task.advanceIdle(end, at);
    }
    if (this.#looking || tasks.length === 0) return;
    const now = performance.now();
    const everyMs = isAwaited ? lookEveryMs.awaited : lookEveryMs.needed;
    const dueMs = this.#dueMs(tasks, needs, now - this.#lastLook, everyMs);
    if (dueMs > 0) {
      this.#tellAt(now + dueMs);
      return;
    }
    this.#looking = true;
    this.#lastLook = now;
    this.#look()
      // An unreachable broker holds up its sources alone: waits for them have a limit.
      .catch(() => {})
      .finally(() => {
        this.#looking = false;
        // What was needed meanwhile is looked for now.
        this.#tell();
      });
  }

  /** When the clock was read for the last look that was answered. */
  get lookedAt(): number {
    return this.#at;
  }

  /** Tells after so long at the latest, ms. */
  tellIn(ms: number): void {
    this.#tellAt(performance.now() + ms);
  }

  /** The latest need that another look serves now; null: it would let nothing happen. */
  latestNeed(tasks: readonly SourceTask[], needs: readonly number[]): number | null {
    const clock = this.#now();
    const least = Math.min(...tasks.map(({ progress }) => progress));
    const served = needs.filter((need) => need >= least && need >= this.#at && need < clock);
    return served.length === 0 ? null : Math.max(...served);
  }

  /** No timer is left behind. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#tellsAt = Number.POSITIVE_INFINITY;
  }

  /**
   * How long until the next look, ms; none above 0: it is due. What others' sources get is seen by
   * looking alone, and what waits for the clock by asking it.
   *
   * @param sinceMs - how long ago the last look began.
   * @param everyMs - least time between two where a task needs another.
   */
  #dueMs(
    tasks: readonly SourceTask[],
    needs: readonly number[],
    sinceMs: number,
    everyMs: number,
  ): number {
    const clock = this.#now();
    let least = Number.POSITIVE_INFINITY;
    let watches = this.#workers() > 1;
    for (const task of tasks) {
      least = Math.min(least, task.progress);
      watches ||= task.waitsForClock;
    }
    let dueMs = this.#restMs - sinceMs;
    for (const need of needs) {
      if (need < least) continue;
      const inMs = need < clock ? 0 : need - clock + 1;
      // Where the last look was late enough, its partition has records that come by themselves.
      if (need < this.#at) watches = true;
      else dueMs = Math.min(dueMs, Math.max(inMs, everyMs - sinceMs));
    }
    return watches ? Math.min(dueMs, lookEveryMs.watching - sinceMs) : dueMs;
  }

  #tellAt(at: number): void {
    if (at >= this.#tellsAt) return;
    this.stop();
    this.#tellsAt = at;
    const tell = () => {
      this.#tellsAt = Number.POSITIVE_INFINITY;
      this.#tell();
    };
    this.#timer = setTimeout(tell, Math.ceil(at - performance.now()));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const at = this.#now();
    const ends = await this.#broker.listOffsets(
      this.#places.map((place) => ({ ...place, at: "latest" as const })),
    );
    const before = this.#ends;
    this.#ends = new Map(
      this.#places.map(({ topic, partition }, index) => [
        nameOf(topic, partition),
        ends[index] as number,
      ]),
    );
    this.#moved = [...this.#ends].some(([name, end]) => end > (before.get(name) ?? end));
    this.#at = at;
  }
}

function nameOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/**
 * How far a quiet topology may lie behind the clock, ms, for what it writes to stay small: the more
 * partitions and the more processes, the further.
 */
export function quietMsOf(plan: Plan, workers: number): number {
  return (advanceRecords(plan, workers) / quietRecordsPerSecond) * 1000;
}

/**
 * What a plan's tasks write when all its sources advance and nothing else happens: of each task a
 * changelog record and an offset, of each source partition a decision, progress into each row
 * partition and, from the tasks of each process together, into each inbox partition; and in every
 * partition the marker of the transaction.
 */
export function advanceRecords({ subtopologies }: Plan, workers: number): number {
  const partitionsOf = new Map(subtopologies.map(({ name, partitions }) => [name, partitions]));
  let records = 0;
  for (const { operator, outputs, partitions } of subtopologies) {
    records += partitions * (readsSource(operator) ? 3 : 2);
    for (const output of outputs) {
      if (output.kind === "rows") records += partitions;
      if (output.kind !== "inbox") continue;
      const writers = output.fanOut === "same" ? 1 : Math.min(workers, partitions);
      records += (partitionsOf.get(output.to) ?? 0) * writers;
    }
  }
  return records * 2;
}
