import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { unpackError } from "../../cli/run/worker-messages.ts";
import type { ChaosCommand, ChaosMessage, Trap, WorkerStart } from "./messages.ts";

// Compiled files end in .js, sources run directly in .ts.
const extension = extname(fileURLToPath(import.meta.url));
const program = new URL(`./worker-process${extension}`, import.meta.url);

export type Reached = ChaosMessage & { readonly kind: "reached" };

/** One worker over its processes, held at traps, killed, frozen and started again by its owner. */
export class ChaosWorker {
  readonly id: string;
  readonly #start: Omit<WorkerStart, "worker" | "trap">;
  readonly #said: (worker: ChaosWorker, message: ChaosMessage) => void;
  readonly #failed: (error: Error) => void;
  #child: ChildProcess | null = null;
  #heard = new Set<string>();
  #reached: Reached | null = null;
  #wentOn: (ChaosMessage & { readonly kind: "went-on" }) | null = null;
  #ending = false;
  frozen = false;
  /** Commits of its present process. */
  commits = 0;

  constructor(
    id: string,
    start: Omit<WorkerStart, "worker" | "trap">,
    said: (worker: ChaosWorker, message: ChaosMessage) => void,
    failed: (error: Error) => void,
  ) {
    this.id = id;
    this.#start = start;
    this.#said = said;
    this.#failed = failed;
  }

  /** Of its present process. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  get up(): boolean {
    return this.#heard.has("up");
  }
  /** Where it stands, null while it runs. */
  get reached(): Reached | null {
    return this.#reached;
  }
  get wentOn(): (ChaosMessage & { readonly kind: "went-on" }) | null {
    return this.#wentOn;
  }

  /** Begins a process. */
  start(trap: Trap | null): void {
    const child = fork(program, [], {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#child = child;
    this.#heard = new Set();
    this.#reached = null;
    this.commits = 0;
    child.on("message", (message: ChaosMessage) => {
      if (this.#child === child) this.#take(message);
    });
    child.once("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      if (this.#ending) return;
      const how = signal === null ? `ended with code ${code}` : `was killed by ${signal}`;
      this.#failed(new Error(`worker ${this.id} ${how}, and nobody asked it to`));
    });
    this.#send({ kind: "start", start: { ...this.#start, worker: this.id, trap } });
  }

  arm(trap: Trap): void {
    this.#reached = null;
    this.#wentOn = null;
    this.#send({ kind: "arm", trap });
  }

  ask(round: number): void {
    if (!this.frozen) this.#send({ kind: "ask", round });
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    this.frozen = false;
    if (child === null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }

  freeze(): void {
    this.frozen = true;
    this.#child?.kill("SIGSTOP");
  }

  /** Wakes it up; what it held goes on at once. */
  thaw(): void {
    this.frozen = false;
    this.#send({ kind: "release" });
    this.#child?.kill("SIGCONT");
  }

  /** Leaves the group; one that does not end in time is killed. */
  async stop(timeoutMs: number): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#ending = true;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    this.#send({ kind: "stop" });
    await gone;
    clearTimeout(timer);
  }

  #send(command: ChaosCommand): void {
    // One that dies meanwhile is told by its end.
    if (this.#child?.connected) this.#child.send(command, () => {});
  }

  #take(message: ChaosMessage): void {
    if (message.kind === "failed") {
      this.#ending = true;
      this.#failed(unpackError(message.failure));
      return;
    }
    this.#heard.add(message.kind);
    if (message.kind === "reached") this.#reached = message;
    if (message.kind === "went-on") this.#wentOn = message;
    if (message.kind === "status") this.commits = message.commits;
    this.#said(this, message);
  }
}
