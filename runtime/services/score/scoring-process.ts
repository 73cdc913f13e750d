import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { BatchAnswer } from "./scorer.ts";
import type { ScoringFailure, ScoringTask } from "./scoring-task.ts";

type Answer = BatchAnswer | ScoringFailure;

/** What the process sends: that it has tried to load its model, then an answer a task. */
export type ProcessMessage = { readonly ready: true } | Answer;

export interface ProcessLimits {
  /** Of a run, ms. */
  readonly runMs: number;
  /** Until the model is loaded, ms. */
  readonly loadMs: number;
}

/** The process has ended without an answer; the message says why. */
export class ProcessEnded extends Error {
  /** Whether it was ended, as it took longer than it may. */
  readonly hung: boolean;

  constructor(message: string, hung: boolean) {
    super(message);
    this.hung = hung;
  }
}

/** What a timer can wait, in ms. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * A process that scores by one model, a task at a time. What takes longer than it may is ended with
 * its process: nothing else ends a run of onnxruntime. It ends with the process that started it,
 * too, whatever it is at.
 */
export class ScoringProcess {
  readonly #child: ChildProcess;
  readonly #limits: ProcessLimits;
  readonly #exited: Promise<void>;
  #isReady = false;
  #ended: ProcessEnded | null = null;
  #asked: {
    readonly task: ScoringTask;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: ProcessEnded) => void;
  } | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** @param directory - of the artifacts. */
  constructor(directory: string, artifact: string, limits: ProcessLimits) {
    this.#limits = limits;
    const here = fileURLToPath(import.meta.url);
    // Compiled files end in .js, sources run directly in .ts.
    const entry = fileURLToPath(new URL(`./scoring-alone${extname(here)}`, import.meta.url));
    const child = fork(entry, [directory, artifact], {
      serialization: "advanced",
      // A stranger's file is loaded there: nothing of our settings, among which are passwords.
      env: { ORT_DISABLE_TELEMETRY: "1", TZ: "UTC" },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      child.once("error", ({ message }) => {
        this.#end(new ProcessEnded(`its process could not run: ${message}`, false));
        if (child.pid === undefined) resolve();
      });
      child.once("exit", (code, signal) => {
        this.#end(new ProcessEnded(`it ended its process (${signal ?? code})`, false));
        resolve();
      });
    });
    child.on("message", (message) => this.#heard(message as ProcessMessage));
    this.#hold(false);
  }

  get isThere(): boolean {
    return this.#ended === null;
  }

  /** @throws {ProcessEnded} - it can be asked no more. */
  run(task: ScoringTask): Promise<Answer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#asked = { task, resolve, reject };
      this.#hold(true);
      if (this.#isReady) this.#send();
      else this.#limit(this.#limits.loadMs, "loading it");
    });
  }

  /** Ends it, whatever it is at. Idempotent. */
  async close(): Promise<void> {
    this.#end(new ProcessEnded("it is closed", false));
    this.#child.ref();
    await this.#exited;
  }

  #heard(message: ProcessMessage): void {
    if ("ready" in message) {
      this.#isReady = true;
      if (this.#asked !== null) this.#send();
      return;
    }
    this.#settled()?.resolve(message);
  }

  #send(): void {
    this.#limit(this.#limits.runMs, "a run of it");
    // Where it has ended, its exit says so.
    this.#child.send(this.#asked?.task as ScoringTask, () => {});
  }

  #limit(ms: number, what: string): void {
    clearTimeout(this.#timer);
    const end = () => {
      this.#end(new ProcessEnded(`it hangs: ${what} took longer than ${ms / 1_000} s`, true));
    };
    this.#timer = setTimeout(end, Math.min(ms, longestTimerMs));
  }

  #end(error: ProcessEnded): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#child.kill("SIGKILL");
    this.#settled()?.reject(error);
  }

  #settled() {
    const asked = this.#asked;
    this.#asked = null;
    clearTimeout(this.#timer);
    this.#hold(false);
    return asked;
  }

  /** While it is idle it keeps nobody from ending. */
  #hold(isBusy: boolean): void {
    const { channel } = this.#child;
    if (isBusy) {
      this.#child.ref();
      channel?.ref();
    } else {
      this.#child.unref();
      channel?.unref();
    }
  }
}
