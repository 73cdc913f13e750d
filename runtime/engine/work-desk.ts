import type { ExternalWork } from "../../processors/processor.ts";
import type { Plan } from "../../schemas/plan.ts";
import { passes, retry } from "../retry.ts";
import { serviceOf } from "../services/registry.ts";
import type { Execute, ServiceLimit } from "../services/service.ts";
import type { MergeTask } from "./merge-task.ts";
import { taskName } from "./task.ts";

export interface WorkDeskOptions {
  readonly plan: Plan;
  readonly execute: Execute;
  readonly isLive: boolean;
  /** Told who waits for a server that is away, and (null) that it goes on. */
  readonly onTrouble: (who: string, error: unknown | null) => void;
  /** Whether what tasks have been given until now is committed, once that is known. */
  readonly stands: () => Promise<boolean>;
  /** Called when a result has come or work has failed. */
  readonly tell: () => void;
}

/**
 * Has the work of tasks done beside the loop of a worker. A result counts only for the task that
 * asked: what tasks of an earlier ownership are still owed is dropped. Work that wants a server
 * which is away waits for it.
 */
export class WorkDesk {
  readonly #options: WorkDeskOptions;
  readonly #limits = new Map<string, ServiceLimit<object> | null>();
  /** Whose last work was over before the server was back. */
  readonly #waiting = new Set<string>();
  readonly #tookMs = new WeakMap<MergeTask, number>();
  #ownership = 0;
  #working = 0;
  #failure: unknown = null;

  constructor(options: WorkDeskOptions) {
    this.#options = options;
  }

  /** Works that are under way. */
  get working(): number {
    return this.#working;
  }

  /** Resolves when the result has been taken, or will not be; null: that may be long. */
  begin(task: MergeTask, work: ExternalWork): Promise<void> | null {
    const ownership = this.#ownership;
    const isLasting = serviceOf(work).lasting === true;
    const began = performance.now();
    this.#working++;
    const done = (isLasting ? this.#doLasting(task, work) : this.#do(task, work))
      .then((result) => {
        if (ownership !== this.#ownership) return;
        this.#working--;
        this.#tookMs.set(task, performance.now() - began);
        task.settle(result);
        this.#options.tell();
      })
      .catch((error: unknown) => {
        if (ownership !== this.#ownership) return;
        this.#failure = error;
        this.#options.tell();
      });
    return isLasting ? null : done;
  }

  /** How long the last work of a task took that has ended, ms; 0: none has. */
  tookMs(task: MergeTask): number {
    return this.#tookMs.get(task) ?? 0;
  }

  /** Forgets everything under way: its tasks are no longer owned, or made anew. */
  forget(): void {
    this.#ownership++;
    this.#working = 0;
    for (const who of this.#waiting) this.#options.onTrouble(who, null);
    this.#waiting.clear();
  }

  /** Whether work has failed: its task waits for what does not come, until it is made anew. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** @throws what work has failed with, once. */
  throwFailure(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }

  /** Where what it is done on does not stand, its task is made anew: nobody waits for a result. */
  async #doLasting(task: MergeTask, work: ExternalWork): Promise<Buffer> {
    if (!(await this.#options.stands())) return await new Promise(() => {});
    return await this.#do(task, work);
  }

  #do(task: MergeTask, work: ExternalWork): Promise<Buffer> {
    const { subtopology } = task;
    const limit = this.#options.isLive ? this.#limitOf(work) : null;
    const call = (signal?: AbortSignal) => this.#retry(task, work, signal);
    return limit === null ? call() : limit.bound(work.payload, subtopology, call);
  }

  /**
   * Tries again while a server is away, for as long as somebody asks for the result. One whose time
   * is over has not got the server back: the next that has an answer has.
   */
  async #retry(task: MergeTask, work: ExternalWork, signal?: AbortSignal): Promise<Buffer> {
    const { subtopology, partition } = task;
    const { execute, onTrouble } = this.#options;
    const who = `${work.service} of ${taskName(subtopology.name, partition)}`;
    const ownership = this.#ownership;
    const result = await retry(() => execute(subtopology, work, signal), {
      ...(signal === undefined ? {} : { signal }),
      mayPass: (error) => passes(error) && ownership === this.#ownership,
      tell: (error) => {
        const isOver = error === null && signal?.aborted === true;
        if (isOver && ownership === this.#ownership) this.#waiting.add(who);
        else onTrouble(who, error);
      },
    });
    if (this.#waiting.delete(who)) onTrouble(who, null);
    return result;
  }

  #limitOf(work: ExternalWork): ServiceLimit<object> | null {
    let limit = this.#limits.get(work.service);
    if (limit === undefined) {
      limit = serviceOf(work).limit?.(this.#options.plan) ?? null;
      this.#limits.set(work.service, limit);
    }
    return limit;
  }
}
