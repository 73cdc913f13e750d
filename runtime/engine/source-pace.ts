import type { SourceTask } from "./source-task.ts";

/** What a slowed source task may take, in records. */
interface Meter {
  credit: number;
  /** What the other sources had taken when it was last asked. */
  seen: number;
}

/**
 * Slows sources against the others, for tests: a task of a slowed topic takes one record for every
 * `factor` records that a task of another source takes; while these rest, a `factor`th of what it
 * may take in a turn. It changes when records are read and nothing else.
 */
export class SourcePace {
  readonly #slow: ReadonlyMap<string, number>;
  readonly #meters = new Map<string, Meter>();
  readonly #others = new Set<string>();
  #takenByOthers = 0;

  /** @param slow - source topic → factor, at least 1. */
  constructor(slow: ReadonlyMap<string, number> = new Map()) {
    this.#slow = slow;
  }

  /** Lets a task step; returns how many records it took. */
  step(task: Pick<SourceTask, "subtopology" | "partition" | "step">, budget: number): number {
    if (this.#slow.size === 0) return task.step(budget);
    const topic = task.subtopology.inbox;
    const name = `${topic}/${task.partition}`;
    const factor = this.#slow.get(topic);
    if (factor === undefined) {
      const taken = task.step(budget);
      this.#others.add(name);
      this.#takenByOthers += taken;
      return taken;
    }
    const meter = this.#meters.get(name) ?? { credit: 0, seen: this.#takenByOthers };
    this.#meters.set(name, meter);
    const others = (this.#takenByOthers - meter.seen) / Math.max(1, this.#others.size);
    meter.seen = this.#takenByOthers;
    meter.credit = Math.min(budget, meter.credit + (others > 0 ? others : budget) / factor);
    const taken = task.step(Math.floor(meter.credit));
    meter.credit -= taken;
    return taken;
  }
}
