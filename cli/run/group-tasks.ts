import { workersIn } from "../../runtime/hosting/member.ts";
import type { TaskReport } from "../../runtime/hosting/running-plan.ts";
import { nameOf } from "./end-rounds.ts";
import type { WorkerReport } from "./worker-messages.ts";

/** What the workers of a data directory say of their tasks, the last of each counts. */
export class GroupTasks {
  readonly #taskCount: number;
  readonly #member: string;
  readonly #tasks = new Map<string, TaskReport>();
  /** Of each worker, its tasks by name. */
  readonly #named = new Map<string, ReadonlySet<string>>();
  #others = false;
  #reached = Number.NEGATIVE_INFINITY;

  /** @param taskCount - tasks of the plan. */
  constructor(taskCount: number, member: string) {
    this.#taskCount = taskCount;
    this.#member = member;
  }

  get all(): readonly TaskReport[] {
    return [...this.#tasks.values()];
  }

  /** Tasks that other data directories have. */
  get elsewhere(): number {
    return this.#others ? this.#taskCount - this.#tasks.size : 0;
  }

  /** Event time that all have reached; a task that is being restored does not set it back. */
  get reached(): number {
    return this.#reached;
  }

  keep(worker: string, { tasks, instances }: WorkerReport): void {
    this.#named.set(worker, new Set(tasks.map(nameOf)));
    for (const task of tasks) this.#tasks.set(nameOf(task), task);
    if (instances.length > 0) {
      this.#others = instances.length > workersIn(instances, this.#member).length;
    }
    if (this.#others) this.#dropMoved();
    if (this.#tasks.size < this.#taskCount && !this.#others) return;
    const least = Math.min(...this.all.map(({ progress }) => progress));
    if (Number.isFinite(least)) this.#reached = Math.max(this.#reached, least);
  }

  /** What nobody here has any more is counted where it is; alone it is on its way to another. */
  #dropMoved(): void {
    const named = [...this.#named.values()];
    for (const name of this.#tasks.keys()) {
      if (!named.some((names) => names.has(name))) this.#tasks.delete(name);
    }
  }
}
