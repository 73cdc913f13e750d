import { workersIn } from "../../runtime/hosting/member.ts";
import type { TaskReport } from "../../runtime/hosting/running-plan.ts";
import type { WorkerReport } from "./worker-messages.ts";

/** How it was when everything was done. */
export interface End {
  /** What the tasks said, each once. */
  readonly tasks: readonly TaskReport[];
  /** The workers that had tasks. */
  readonly owners: readonly string[];
}

/**
 * Finds the moment at which all workers are done. Each answers a round when it sees nothing to do;
 * what one commits after its answer may be work for another that has answered before. Therefore a
 * round counts only if the next one finds every worker with the same commits: between the two, at
 * one moment, nothing was under way.
 *
 * Workers without tasks, and such that hang, are not waited for: the tasks must be covered. Where
 * other data directories have some of them, the answers of all workers that are in the group with
 * these cover what is ours: each says that the tasks elsewhere are done, too.
 *
 * @see Mattern, Algorithms for distributed termination detection, 1987 (four-counter method).
 */
export class EndRounds {
  readonly #taskCount: number;
  readonly #member: string;
  readonly #answers = new Map<string, WorkerReport>();
  #before: string | null = null;
  #round = 1;
  #end: End | null = null;

  /**
   * @param taskCount - tasks of the plan.
   * @param member - name of the data directory whose workers these are.
   */
  constructor(taskCount: number, member: string) {
    this.#taskCount = taskCount;
    this.#member = member;
  }

  /** Number of the round that is asked for now. */
  get round(): number {
    return this.#round;
  }

  /** The end; null while it has not come. */
  get end(): End | null {
    return this.#end;
  }

  /** Takes an answer; true when the next round is to be asked for. */
  take(worker: string, report: WorkerReport): boolean {
    if (this.#end !== null || report.round !== this.#round) return false;
    this.#answers.set(worker, report);
    const owners = [...this.#answers]
      .filter(([, { tasks }]) => tasks.length > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const tasks = owners.flatMap(([, report]) => report.tasks);
    const names = tasks.map(nameOf);
    if (new Set(names).size < names.length) return false;
    if (names.length < this.#taskCount && !this.#haveOurs()) return false;
    const state = JSON.stringify(owners.map(([id, each]) => [id, each.commits, names]));
    if (state === this.#before) this.#end = { tasks, owners: owners.map(([id]) => id) };
    this.#before = state;
    this.#round++;
    this.#answers.clear();
    return this.#end === null;
  }

  /** Whether all workers of ours that one generation of the group knows beside others answered. */
  #haveOurs(): boolean {
    const groups = [...this.#answers.values()].map(({ instances }) => instances);
    const [group = []] = groups;
    if (groups.some((each) => each.join() !== group.join())) return false;
    const ours = workersIn(group, this.#member);
    return group.length > ours.length && ours.every((worker) => this.#answers.has(worker));
  }

  /** A worker died: what it said does not hold. */
  forget(worker: string): void {
    this.#answers.delete(worker);
    this.#before = null;
  }
}

export function nameOf({ subtopology, partition }: TaskReport): string {
  return `${subtopology}/${partition}`;
}
