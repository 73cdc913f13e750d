import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { MillraceError } from "../../schemas/errors.ts";
import { serverEnvironment } from "./stack-environment.ts";

/** How to start one server, and how to know that it answers. */
export interface ServerOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly directory: string;
  /** @default that of this process, without our settings */
  readonly env?: Readonly<Record<string, string>>;
  /** Resolves when the server serves; rejects as long as it does not. */
  readonly probe: () => Promise<void>;
  /** @default 60000 */
  readonly startTimeoutMs?: number;
}

/** A child process that serves on loopback; it dies with this process, whatever ends it. */
export interface ServerProcess {
  readonly pid: number;
  readonly running: boolean;
  /** Starts it again with the same arguments and data; resolves when it serves. */
  start(): Promise<void>;
  /** SIGTERM, and SIGKILL after ten seconds. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

// The shell holds our pipe as its standard input: when we die, it kills the server.
const guard = `exec 3<&0; log="$1"; shift
"$@" >>"$log" 2>&1 </dev/null 3<&- & pid=$!
echo "$pid"
{ read -r _ <&3; kill -9 "$pid"; } >/dev/null 2>&1 & watch=$!
wait "$pid"; code=$?; kill "$watch" 2>/dev/null; exit "$code"`;

/**
 * Starts a server and waits until it serves.
 *
 * @throws {MillraceError} STACK_START_FAILED with the end of its log.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const server = new GuardedServer(options);
  await server.start();
  return server;
}

class GuardedServer implements ServerProcess {
  readonly #options: ServerOptions;
  #pid = 0;
  #exited: Promise<void> = Promise.resolve();
  #running = false;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#running;
  }

  async start(): Promise<void> {
    const { command, args, logFile, directory, name, env } = this.#options;
    if (this.#running) {
      return;
    }
    await mkdir(dirname(logFile), { recursive: true });
    const child = spawn("/bin/sh", ["-c", guard, "guard", logFile, command, ...args], {
      cwd: directory,
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
      env: { ...(env ?? serverEnvironment()) },
    });
    this.#running = true;
    this.#exited = new Promise((resolve) => {
      child.once("close", () => {
        this.#running = false;
        resolve();
      });
      child.once("error", () => resolve());
    });
    this.#pid = await firstLine(child, name);
    await this.#serving();
  }

  async #serving(): Promise<void> {
    const { name, probe, startTimeoutMs = 60_000 } = this.#options;
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      try {
        await probe();
        return;
      } catch (error) {
        if (!this.#running || Date.now() > deadline) {
          await this.kill();
          const reason = `${String(error)}; log: ${logTail(this.#options.logFile)}`;
          throw new MillraceError("STACK_START_FAILED", { name, reason }, { cause: error });
        }
      }
      await wait(50);
    }
  }

  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const late = setTimeout(() => this.#signal("SIGKILL"), 10_000);
    await this.#exited;
    clearTimeout(late);
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#exited;
  }

  #signal(signal: NodeJS.Signals): void {
    if (!this.#running || this.#pid === 0) {
      return;
    }
    try {
      process.kill(this.#pid, signal);
    } catch {
      // Gone already: `#exited` resolves by itself.
    }
  }
}

/** The last lines of a server's log, on one line. */
export function logTail(logFile: string): string {
  return existsSync(logFile)
    ? readFileSync(logFile, "utf8").trim().split("\n").slice(-5).join(" | ")
    : "";
}

async function firstLine(child: ChildProcess, name: string): Promise<number> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) {
      return Number.parseInt(text, 10);
    }
  }
  throw new MillraceError("STACK_START_FAILED", { name, reason: "the shell gave no pid" });
}
