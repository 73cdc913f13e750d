import type { Broker } from "../../../broker/broker.ts";
import type { SourceTask } from "../source-task.ts";
import { taskName } from "../task.ts";

/** Time between two looks at the ends of the source partitions, in ms. */
const lookEveryMs = 50;

/**
 * Live mode: source partitions that are read to their ends advance by the wall clock, so that one
 * without records holds up nothing. What stood beyond the end when the clock was read comes later
 * than that: it is known later.
 */
export class IdleAdvance {
  readonly #broker: Broker;
  readonly #now: () => number;
  readonly #tell: () => void;
  /** By task: the end of its partition at `#at`. */
  #ends = new Map<string, number>();
  #at = Number.NEGATIVE_INFINITY;
  #looking = false;
  #lastLook = Number.NEGATIVE_INFINITY;

  /** @param tell - called when a look has brought news. */
  constructor(broker: Broker, now: () => number, tell: () => void) {
    this.#broker = broker;
    this.#now = now;
    this.#tell = tell;
  }

  /** Advances by the last look, and begins another beside the caller when it is time. */
  step(tasks: readonly SourceTask[]): void {
    for (const task of tasks) {
      const end = this.#ends.get(nameOf(task));
      if (end !== undefined) task.advanceIdle(end, this.#at);
    }
    const now = performance.now();
    if (this.#looking || tasks.length === 0 || now - this.#lastLook < lookEveryMs) return;
    this.#looking = true;
    this.#lastLook = now;
    this.#look(tasks)
      // An unreachable broker holds up its sources alone: waits for them have a limit.
      .catch(() => {})
      .finally(() => {
        this.#looking = false;
      });
  }

  async #look(tasks: readonly SourceTask[]): Promise<void> {
    const at = this.#now();
    const places = tasks.map(({ subtopology, partition }) => ({
      topic: subtopology.inbox,
      partition,
      at: "latest" as const,
    }));
    const ends = await this.#broker.listOffsets(places);
    this.#ends = new Map(tasks.map((task, index) => [nameOf(task), ends[index] as number]));
    this.#at = at;
    this.#tell();
  }
}

function nameOf({ subtopology, partition }: SourceTask): string {
  return taskName(subtopology.name, partition);
}
