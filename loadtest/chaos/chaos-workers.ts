import { setTimeout as sleep } from "node:timers/promises";
import { EndRounds, nameOf } from "../../cli/run/end-rounds.ts";
import { ChaosWorker } from "./chaos-worker.ts";
import { type ChaosMessage, chaosMember, type WorkerStart } from "./messages.ts";

/** Time between two looks at what nobody reports, ms. */
const lookEveryMs = 100;
/** How long a worker may take to leave before it is killed, ms. */
const stopTimeoutMs = 20_000;

/** The workers of one run, and what they say together. */
export class ChaosWorkers {
  readonly all: readonly ChaosWorker[];
  readonly #taskCount: number;
  readonly #say: (line: string) => void;
  readonly #tasksOf = new Map<string, readonly string[]>();
  readonly #progress = new Map<string, number>();
  readonly #news = new Set<() => void>();
  #rounds: EndRounds | null = null;
  #failure: Error | null = null;

  constructor(
    count: number,
    taskCount: number,
    start: Omit<WorkerStart, "worker" | "trap">,
    say: (line: string) => void,
  ) {
    this.#taskCount = taskCount;
    this.#say = say;
    this.all = Array.from(
      { length: count },
      (_, number) =>
        new ChaosWorker(
          String(number),
          start,
          (worker, message) => this.#take(worker, message),
          (error) => this.fail(error),
        ),
    );
  }

  at(number: number): ChaosWorker {
    const worker = this.all[number];
    if (worker === undefined) throw new RangeError(`there is no worker ${number}`);
    return worker;
  }

  /** Ends whatever is waited for. The first failure counts. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /**
   * Waits for a condition, looked at again whenever a worker says something.
   *
   * @throws {Error} when it does not come in time, or a worker fails.
   */
  async until(
    what: string,
    timeoutMs: number,
    isSo: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await isSo())) {
      if (this.#failure !== null) throw this.#failure;
      if (performance.now() > deadline) {
        throw new Error(`${what} did not come in ${timeoutMs / 1000} s`);
      }
      await this.#next();
    }
    if (this.#failure !== null) throw this.#failure;
  }

  /** Event time that all tasks have reached, as far as workers say; −Infinity before they do. */
  get progress(): number {
    if (this.#progress.size < this.#taskCount) return Number.NEGATIVE_INFINITY;
    return Math.min(...this.#progress.values());
  }

  /** Whether workers that are awake say, between them, that they have all tasks. */
  coveredWithout(absent: ChaosWorker): boolean {
    const others = this.all.filter((worker) => worker !== absent && worker.up && !worker.frozen);
    const tasks = new Set(others.flatMap(({ id }) => this.#tasksOf.get(id) ?? []));
    return tasks.size === this.#taskCount;
  }

  /** Whether every worker has tasks, and every task one worker, as far as they say. */
  get settled(): boolean {
    const shares = this.all.map(({ id }) => this.#tasksOf.get(id) ?? []);
    const tasks = shares.flat();
    return (
      shares.every((share) => share.length > 0) &&
      tasks.length === this.#taskCount &&
      new Set(tasks).size === this.#taskCount
    );
  }

  /** Waits until those that are awake have processed and committed everything. */
  async end(timeoutMs: number): Promise<void> {
    const rounds = new EndRounds(this.#taskCount, chaosMember);
    this.#rounds = rounds;
    this.#askAll(rounds);
    await this.until("the end of the input", timeoutMs, () => rounds.end !== null);
    this.#rounds = null;
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.stop(stopTimeoutMs)));
  }

  async kill(): Promise<void> {
    await Promise.all(this.all.map((worker) => worker.kill()));
  }

  #askAll(rounds: EndRounds): void {
    for (const worker of this.all) worker.ask(rounds.round);
  }

  #take(worker: ChaosWorker, message: ChaosMessage): void {
    if (message.kind === "trouble") this.#say(`worker ${worker.id} says: ${message.what}`);
    if (message.kind === "status") {
      this.#tasksOf.set(worker.id, message.tasks.map(nameOf));
      for (const task of message.tasks) this.#progress.set(nameOf(task), task.progress);
      const rounds = this.#rounds;
      if (rounds?.take(worker.id, message)) this.#askAll(rounds);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#news]) wake();
  }

  async #next(): Promise<void> {
    const given = new AbortController();
    let wake = () => {};
    const news = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.#news.add(wake);
    const look = sleep(lookEveryMs, undefined, { signal: given.signal }).catch(() => {});
    await Promise.race([news, look]);
    given.abort();
    this.#news.delete(wake);
  }
}
