import { type ChildProcess, execFile, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The module of flights, as compiled. */
export const flightsApp = fileURLToPath(new URL("../examples/flights/app.js", import.meta.url));
const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));

/** How often `until` asks, ms. */
const askEveryMs = 100;

/** A `millrace run` as a user starts it, watched through what it prints and logs. */
export class RunProcess {
  /** Pid of the last process of each worker by its id; of the run itself as "0" if it is alone. */
  readonly workers = new Map<string, number>();
  /** Everything on standard output and standard error. */
  output = "";
  /** Exit code, null when it was killed. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();
  #line = "";
  /** Whether all that it printed has come, which may be after it exited. */
  #isOver = false;

  /**
   * @param args - what follows `millrace run`; `--log-level info` is added.
   * @param app - the application's module.
   */
  constructor(args: readonly string[], app = flightsApp) {
    this.#child = spawn(process.execPath, [program, "run", app, ...args, "--log-level", "info"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { pid, stdout, stderr } = this.#child;
    if (!args.includes("--workers") && pid !== undefined) this.workers.set("0", pid);
    stdout?.setEncoding("utf8").on("data", (text: string) => this.#take(text));
    stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#readLog(text);
      this.#take(text);
    });
    this.ended = new Promise((resolve) => this.#child.once("close", (code) => resolve(code)));
    void this.ended.then(() => {
      this.#isOver = true;
      this.#take("");
    });
  }

  /** Resolves when the output matches; rejects when the run ends before. */
  async saw(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (this.#isOver) {
        throw new Error(`the run ended without ${pattern}:\n${this.output}`);
      }
      await new Promise<void>((resolve) => {
        const look = () => {
          this.#listeners.delete(look);
          resolve();
        };
        this.#listeners.add(look);
      });
    }
  }

  /**
   * Asks again, also after an error, until the answer is not null; rejects when the run ends
   * before.
   */
  async until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    while (!this.#isOver) {
      const answer = await ask().catch(() => null);
      if (answer !== null) return answer;
      await sleep(askEveryMs);
    }
    throw new Error(`the run ended without ${what}:\n${this.output}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #take(text: string): void {
    this.output += text;
    for (const listener of [...this.#listeners]) listener();
  }

  #readLog(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      const { msg, worker, pid } = parse(line);
      // The parent logs the start, with the pid of the worker last.
      if (msg === "worker started" && worker !== undefined && pid !== undefined) {
        this.workers.set(worker, pid);
      }
    }
  }
}

function parse(line: string): { msg?: string; worker?: string; pid?: number } {
  try {
    return JSON.parse(line) as { msg?: string; worker?: string; pid?: number };
  } catch {
    return {};
  }
}

/** One statement through `millrace sql`, as TSV. */
export async function querySql(args: readonly string[], sql: string): Promise<string> {
  const all = [program, "sql", ...args, "--format", "TSV", sql];
  const { stdout } = await promisify(execFile)(process.execPath, all, { maxBuffer: 1 << 26 });
  return stdout.trim();
}

/** One of the other commands; rejects when it fails. */
export async function millrace(...args: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [program, ...args], { maxBuffer: 1 << 26 });
}
