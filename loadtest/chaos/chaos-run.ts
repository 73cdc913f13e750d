import { setTimeout as sleep } from "node:timers/promises";
import { allTasks } from "../../runtime/engine/assignment.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { startLocalServers } from "../../stacks/local/local-servers.ts";
import { type LocalServerName, readServerRecords } from "../../stacks/local/server-state.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { Freeze, Kill, KillPoint, Outage, Step } from "./chaos-plan.ts";
import type { ChaosWorker, Reached } from "./chaos-worker.ts";
import { ChaosWorkers } from "./chaos-workers.ts";
import { isNewer } from "./comparison.ts";
import { GatedInput } from "./gated-input.ts";
import type { Control, HeldBatch, Trap } from "./messages.ts";
import { everythingStored } from "./stored.ts";

export interface ChaosRunOptions {
  readonly stack: Stack;
  readonly directory: string;
  readonly ports: Readonly<Record<LocalServerName, number>>;
  readonly from: number;
  readonly to: number;
  readonly workers: number;
  readonly steps: readonly Step[];
  readonly control: Control;
  readonly say: (line: string) => void;
  /** Ends the run with its reason. */
  readonly signal: AbortSignal;
}

/** What was done: SIGKILLs by point, and SIGSTOPs, of workers and of Kafka. */
export type Achieved = Record<
  KillPoint | "frozen" | "frozen at the end" | "Kafka killed" | "Kafka paused",
  number
>;

/** Of every group, as in a run. */
const sessionTimeoutMs = 30_000;
/** How long anything may take that is waited for, ms. */
const patienceMs = 480_000;
/** Without reaching a trap for so long, with nothing to process, more is let through, ms. */
const nudgeMs = 3_000;
/** Commits of every worker before the first step: then there are changelogs to restore. */
const commitsFirst = 3;

/** Executes a plan of kills and freezes on workers that process flights, to the input's end. */
export class ChaosRun {
  readonly achieved: Achieved = {
    transaction: 0,
    "before-write": 0,
    "after-write": 0,
    restore: 0,
    anywhere: 0,
    frozen: 0,
    "frozen at the end": 0,
    "Kafka killed": 0,
    "Kafka paused": 0,
  };
  readonly #options: ChaosRunOptions;
  readonly #workers: ChaosWorkers;
  readonly #input: GatedInput;
  readonly #started = performance.now();
  #step = 0;

  constructor(options: ChaosRunOptions) {
    const { stack, directory, ports, from, to, control, signal } = options;
    this.#options = options;
    const start = { directory, ports, to, control, sessionTimeoutMs };
    const taskCount = allTasks(plan).length;
    const say = (line: string) => this.#say(line);
    this.#workers = new ChaosWorkers(options.workers, taskCount, start, say);
    this.#input = new GatedInput(stack, from, to);
    this.#input.sent.catch((error: Error) => this.#workers.fail(error));
    const stop = () => this.#workers.fail(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
  }

  /** @throws {Error} when a point is not reached in time, or a worker fails. */
  async run(): Promise<void> {
    try {
      await this.#begin();
      for (const step of this.#options.steps) {
        this.#step++;
        if (step.kind === "kill") await this.#kill(step);
        else if (step.kind === "freeze") await this.#freeze(step);
        else await this.#outage(step);
      }
      this.#input.open(1);
      await this.#input.sent;
      // Whoever was woken last has seen by then that its tasks are gone, and has got others.
      await this.#workers.until("a place for everybody", patienceMs, () => this.#workers.settled);
      await this.#finish("all workers");
      await this.#workers.stop();
    } finally {
      await this.#workers.kill();
      await this.#input.stop();
    }
  }

  async #begin(): Promise<void> {
    for (const worker of this.#workers.all) worker.start(null);
    await this.#untilFed("the first commits", () =>
      this.#workers.all.every(({ commits }) => commits >= commitsFirst),
    );
    this.#say(`${this.#workers.all.length} workers process the first flights`);
  }

  /** Lets through a share of the input for every step that was begun; the last for the end. */
  #open(extra = 0): void {
    const slices = this.#options.steps.length + 2;
    this.#input.open(Math.min(this.#step + 1 + extra, slices - 1) / slices);
  }

  async #kill({ worker: number, point, trap, afterMs, ...then }: Kill): Promise<void> {
    const worker = await this.#awake(number);
    let where = `${afterMs} ms later`;
    if (trap === null) {
      this.#open();
      await sleep(afterMs);
    } else where = (await this.#reach(worker, trap)).where;
    await worker.kill();
    this.achieved[point]++;
    this.#say(`killed worker ${worker.id} at ${point}: ${where}`);
    if (then.againAfterReads !== null) await this.#killInRestore(worker, then.againAfterReads);
    if (then.staysAway) {
      await this.#workers.until("a new owner of the tasks", patienceMs, () =>
        this.#workers.coveredWithout(worker),
      );
      this.#say(`its tasks are with the others; worker ${worker.id} comes back`);
    }
    worker.start(null);
  }

  async #killInRestore(worker: ChaosWorker, passes: number): Promise<void> {
    worker.start({ point: "restore", passes, store: "offline" });
    await this.#workers.until("a restore", patienceMs, () => worker.reached !== null);
    const where = worker.reached?.where;
    await worker.kill();
    this.achieved.restore++;
    this.#say(`killed worker ${worker.id} at restore: ${where}, after ${passes} reads`);
  }

  async #freeze({ worker: number, trap, last }: Freeze): Promise<void> {
    const worker = await this.#awake(number);
    const { where, held } = await this.#reach(worker, trap);
    if (held === null) throw new Error(`worker ${worker.id} holds nothing at ${where}`);
    worker.freeze();
    const rows = `${held.rows.length} unsent rows, ${where}`;
    this.#say(`stopped worker ${worker.id} with ${rows}${last ? ", at the end of the input" : ""}`);
    if (last) {
      this.#input.open(1);
      await this.#finish("the others");
    } else this.#open(1);
    let newer = 0;
    await this.#workers.until("newer rows of a new owner", patienceMs, async () => {
      newer = await this.#newer(held);
      return newer > 0;
    });
    worker.thaw();
    await this.#workers.until("the late write", patienceMs, () => worker.wentOn !== null);
    const error = worker.wentOn?.error ?? null;
    this.achieved[last ? "frozen at the end" : "frozen"]++;
    const end = error === null ? "was sent" : `failed: ${error}`;
    this.#say(`woke worker ${worker.id}: ${newer} of its rows are newer by now; its write ${end}`);
  }

  /** Everybody goes on by himself, once Kafka is there again. */
  async #outage({ how, forMs, afterMs }: Outage): Promise<void> {
    const { directory, ports } = this.#options;
    await this.#awake(0);
    this.#open();
    await sleep(afterMs);
    const pid = readServerRecords(directory).kafka?.pid;
    if (pid === undefined) throw new Error("Kafka has no pid");
    const before = this.#workers.all.map(({ commits }) => commits);
    process.kill(pid, how === "kill" ? "SIGKILL" : "SIGSTOP");
    this.#say(`${how === "kill" ? "killed" : "stopped"} Kafka for ${forMs / 1000} s`);
    await sleep(forMs);
    if (how === "pause") process.kill(pid, "SIGCONT");
    else await startLocalServers({ directory, ports });
    this.#say("Kafka is there again");
    await this.#untilFed("commits of every worker after Kafka was away", () =>
      this.#workers.all.every(({ commits }, index) => commits > (before[index] ?? 0)),
    );
    this.achieved[how === "kill" ? "Kafka killed" : "Kafka paused"]++;
  }

  /** Those that are awake have processed everything, and all of it is stored. */
  async #finish(who: string): Promise<void> {
    await this.#workers.end(patienceMs);
    await this.#workers.until("everything in the stores", patienceMs, () =>
      everythingStored(plan, this.#options.stack),
    );
    this.#say(`${who} have processed and stored everything`);
  }

  async #awake(number: number): Promise<ChaosWorker> {
    const all = this.#workers.all;
    await this.#workers.until("all workers", patienceMs, () => all.every(({ up }) => up));
    return this.#workers.at(number);
  }

  /** Arms a trap and lets input through until somebody is in it. */
  async #reach(worker: ChaosWorker, trap: Trap): Promise<Reached> {
    worker.arm(trap);
    await this.#untilFed(`point ${trap.point}`, () => worker.reached !== null);
    return worker.reached as Reached;
  }

  /** Waits for what comes as flights are processed; lets more through once all are processed. */
  async #untilFed(what: string, isSo: () => boolean): Promise<void> {
    let opened = performance.now();
    let extra = 0;
    this.#open();
    await this.#workers.until(what, patienceMs, () => {
      const hungry = this.#workers.progress >= this.#input.reached;
      // Pumps write a while after the tasks.
      if (hungry && performance.now() - opened > nudgeMs) {
        opened = performance.now();
        extra += 0.5;
        this.#open(extra);
      }
      return isSo();
    });
  }

  /** How many rows of a batch are older than what stands in Redis. */
  async #newer({ view, partition, rows }: HeldBatch): Promise<number> {
    const keys = rows.map(({ entityKey }) => ({ view, entityKey, partition }));
    const entries = await this.#options.stack.online.read(keys);
    return rows.filter((held, index) => {
      const stored = entries[index]?.row ?? null;
      return stored !== null && isNewer(stored, held);
    }).length;
  }

  #say(line: string): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(0).padStart(4);
    const step = `${this.#step}/${this.#options.steps.length}`;
    this.#options.say(`${seconds} s  ${step}  ${line}`);
  }
}
