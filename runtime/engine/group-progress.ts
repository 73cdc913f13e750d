import type { Broker } from "../../broker/broker.ts";
import { type Plan, readsSource } from "../../schemas/plan.ts";
import { allTasks } from "./assignment.ts";
import { type Task, taskName } from "./task.ts";

/** Time between two looks at what the group has committed, in ms. */
const lookEveryMs = 250;

/** What the metadata of a task's committed offset says: its progress, and what it needs. */
export function placeText({ progress, need }: Pick<Task, "progress" | "need">): string {
  return `${progress} ${need}`;
}

/**
 * How far all tasks of a plan are, in whatever process: event time below which everything is
 * processed and committed. Each commit of a task says so in the metadata of its input offset.
 */
export class GroupProgress {
  readonly #plan: Plan;
  readonly #broker: Broker;
  readonly #progress = new Map<string, number>();
  readonly #needs = new Map<string, number>();
  #looking = false;
  #lastLook = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan, broker: Broker) {
    this.#plan = plan;
    this.#broker = broker;
  }

  /** As of the last look; −Infinity while nothing is known. */
  of(task: string): number {
    return this.#progress.get(task) ?? Number.NEGATIVE_INFINITY;
  }

  /** Event times that tasks needed all sources to pass, as of their last commits. */
  get needs(): Iterable<number> {
    return this.#needs.values();
  }

  /** Latest event time that one of its sources has been read to; −Infinity: none has. */
  async latestRead(): Promise<number> {
    await this.#look();
    const tasks = this.#plan.subtopologies
      .filter(({ operator }) => readsSource(operator))
      .flatMap(({ name, partitions }) =>
        Array.from({ length: partitions }, (_, partition) => taskName(name, partition)),
      );
    return Math.max(Number.NEGATIVE_INFINITY, ...tasks.map((task) => this.of(task)));
  }

  /** Event time that all tasks have reached; −Infinity while one of them has committed nothing. */
  async least(): Promise<number> {
    await this.#look();
    return Math.min(...allTasks(this.#plan).map((task) => this.of(task)));
  }

  /** Looks again beside the caller if the last look was a while ago. */
  refresh(): void {
    const now = performance.now();
    if (this.#looking || now - this.#lastLook < lookEveryMs) return;
    this.#looking = true;
    this.#look()
      // What was known stays: sources are held back by it at worst, until a look succeeds.
      .catch(() => {})
      .finally(() => {
        this.#looking = false;
        this.#lastLook = performance.now();
      });
  }

  async #look(): Promise<void> {
    const places = this.#plan.subtopologies.flatMap(({ name, inbox, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ name, topic: inbox, partition })),
    );
    const committed = await this.#broker.committed(this.#plan.name, places);
    for (const [index, { name, partition }] of places.entries()) {
      const { metadata = "" } = committed[index] ?? {};
      if (metadata === "") continue;
      const [progress, need] = metadata.split(" ").map(Number);
      this.#progress.set(taskName(name, partition), progress ?? Number.NEGATIVE_INFINITY);
      this.#needs.set(taskName(name, partition), need ?? Number.POSITIVE_INFINITY);
    }
  }
}
