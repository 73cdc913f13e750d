import type { ExternalWork } from "../../processors/processor.ts";
import type { Plan } from "../../schemas/plan.ts";
import { serviceOf } from "../services/registry.ts";
import type { Execute, ServiceLimit } from "../services/service.ts";
import type { MergeTask } from "./merge-task.ts";

/**
 * Has the work of tasks done beside the loop of a worker. A result counts only for the task that
 * asked: what tasks of an earlier ownership are still owed is dropped.
 */
export class WorkDesk {
  readonly #execute: Execute;
  readonly #plan: Plan;
  readonly #isLive: boolean;
  readonly #tell: () => void;
  readonly #limits = new Map<string, ServiceLimit<object> | null>();
  #ownership = 0;
  #working = 0;
  #failure: unknown = null;

  /** @param tell - called when a result has come or work has failed. */
  constructor(plan: Plan, execute: Execute, isLive: boolean, tell: () => void) {
    this.#plan = plan;
    this.#execute = execute;
    this.#isLive = isLive;
    this.#tell = tell;
  }

  /** Works that are under way. */
  get working(): number {
    return this.#working;
  }

  begin(task: MergeTask, work: ExternalWork): void {
    const ownership = this.#ownership;
    this.#working++;
    this.#do(task, work)
      .then((result) => {
        if (ownership !== this.#ownership) return;
        this.#working--;
        task.settle(result);
        this.#tell();
      })
      .catch((error: unknown) => {
        if (ownership !== this.#ownership) return;
        this.#failure = error;
        this.#tell();
      });
  }

  /** Forgets everything under way: its tasks are no longer owned, or made anew. */
  forget(): void {
    this.#ownership++;
    this.#working = 0;
  }

  /** @throws what work has failed with. */
  throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #do({ subtopology }: MergeTask, work: ExternalWork): Promise<Buffer> {
    const limit = this.#isLive ? this.#limitOf(work) : null;
    if (limit === null) return this.#execute(subtopology, work);
    const call = (signal: AbortSignal) => this.#execute(subtopology, work, signal);
    return limit.bound(work.payload, subtopology, call);
  }

  #limitOf(work: ExternalWork): ServiceLimit<object> | null {
    let limit = this.#limits.get(work.service);
    if (limit === undefined) {
      limit = serviceOf(work).limit?.(this.#plan) ?? null;
      this.#limits.set(work.service, limit);
    }
    return limit;
  }
}
