import type { Broker } from "../../../broker/broker.ts";
import { type Plan, readsSource } from "../../../schemas/plan.ts";
import type { SourceTask } from "../source-task.ts";

/** Time between two looks at the ends of the source partitions, in ms. */
const lookEveryMs = 50;

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
 */
export class IdleAdvance {
  readonly #plan: Plan;
  readonly #workers: () => number;
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

  /**
   * @param tell - called when a look has brought news.
   * @param workers - how many processes share the tasks now.
   */
  constructor(
    plan: Plan,
    broker: Broker,
    now: () => number,
    tell: () => void,
    workers: () => number,
  ) {
    this.#plan = plan;
    this.#workers = workers;
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
   */
  step(tasks: readonly SourceTask[], needs: readonly number[]): void {
    const at = this.#at;
    const { quietMs } = this;
    for (const task of tasks) {
      const end = this.#ends.get(nameOf(task.subtopology.inbox, task.partition));
      if (end === undefined) continue;
      const { progress } = task;
      const isNeeded = needs.some((need) => need >= progress && need < at);
      if (this.#moved || isNeeded || at - progress >= quietMs) task.advanceIdle(end, at);
    }
    const now = performance.now();
    if (this.#looking || tasks.length === 0 || now - this.#lastLook < lookEveryMs) return;
    this.#looking = true;
    this.#lastLook = now;
    this.#look()
      // An unreachable broker holds up its sources alone: waits for them have a limit.
      .catch(() => {})
      .finally(() => {
        this.#looking = false;
      });
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
    this.#tell();
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
