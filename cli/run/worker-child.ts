import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { MillraceError } from "../../schemas/errors.ts";
import { serverEnvironment } from "../../stacks/local/stack-environment.ts";
import { unpackError, type WorkerCommand, type WorkerMessage } from "./worker-messages.ts";

/** Deaths in a row without a commit between, after which a worker is given up. */
const maxDeaths = 6;
/** Wait before it is started again, ms: none, then doubling from the first to the second. */
const backOffMs = { first: 100, most: 5_000 };
/** How long a worker may take to end when it is told to, ms; one that hangs is killed. */
const stopTimeoutMs = 60_000;

// Compiled files end in .js, sources run directly in .ts.
const extension = extname(fileURLToPath(import.meta.url));
const workerProgram = new URL(`./worker-process${extension}`, import.meta.url);

/** What happens to a worker, for its group. */
export interface WorkerEvents {
  /** A process of it begins. */
  readonly started: (worker: WorkerChild, pid: number) => void;
  readonly said: (worker: WorkerChild, message: WorkerMessage) => void;
  /** Its process died and is started again. `how`, e.g. `was killed by SIGKILL`. */
  readonly died: (worker: WorkerChild, how: string) => void;
}

/** One worker over its processes: an unexpected end is followed by a new start. */
export class WorkerChild {
  readonly id: string;
  readonly #events: WorkerEvents;
  readonly #start: () => readonly WorkerCommand[];
  readonly #program: URL;
  #child: ChildProcess | null = null;
  #deaths = 0;
  #stopping = false;
  #failure: Error | null = null;

  /**
   * @param start - what a new process is told first.
   * @param program - what it runs.
   */
  constructor(
    id: string,
    start: () => readonly WorkerCommand[],
    events: WorkerEvents,
    program: URL = workerProgram,
  ) {
    this.id = id;
    this.#program = program;
    this.#start = start;
    this.#events = events;
  }

  /** Of its present process; null between two. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Runs processes until one ends after `stop`.
   *
   * @throws the error by which one failed; {MillraceError} WORKER_DIED when it dies again and
   * again.
   */
  async run(): Promise<void> {
    while (!this.#stopping) {
      const how = await this.#runOnce();
      if (this.#failure !== null) throw this.#failure;
      if (this.#stopping) return;
      if (++this.#deaths >= maxDeaths) {
        throw new MillraceError("WORKER_DIED", { worker: this.id, deaths: this.#deaths, how });
      }
      this.#events.died(this, how);
      const doubled = backOffMs.first * 2 ** (this.#deaths - 2);
      if (this.#deaths > 1) await sleep(Math.min(backOffMs.most, doubled));
    }
  }

  send(command: WorkerCommand): void {
    if (this.#child?.connected !== true) return;
    // One that is about to die is told again when it is back.
    this.#child.send(command, () => {});
  }

  /** It has committed something: earlier deaths are forgiven. */
  thrives(): void {
    this.#deaths = 0;
  }

  stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.send({ kind: "stop" });
    const child = this.#child;
    const timer = setTimeout(() => child?.kill("SIGKILL"), stopTimeoutMs);
    child?.once("exit", () => clearTimeout(timer));
    if (child === null) clearTimeout(timer);
  }

  /** What goes wrong here while the process lives ends that too: it would keep its parent alive. */
  async #runOnce(): Promise<string> {
    const child = fork(this.#program, [], {
      // Its settings come in a message: passwords need not stand in an environment.
      env: serverEnvironment(),
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child = child;
    const ended = new Promise<string>((resolve, reject) => {
      child.once("error", (error) => {
        if (child.pid === undefined) reject(error);
      });
      child.once("close", (code, signal) => {
        this.#child = null;
        resolve(signal === null ? `ended with code ${code}` : `was killed by ${signal}`);
      });
    });
    const guarded = (act: () => void) => {
      try {
        act();
      } catch (error) {
        this.#failure ??= error instanceof Error ? error : new Error(String(error));
        child.kill("SIGKILL");
      }
    };
    child.on("message", (message: WorkerMessage) => {
      if (message.kind === "failed") this.#failure = unpackError(message.failure);
      else guarded(() => this.#events.said(this, message));
    });
    guarded(() => {
      if (child.pid !== undefined) this.#events.started(this, child.pid);
      for (const command of this.#start()) this.send(command);
    });
    return await ended;
  }
}
