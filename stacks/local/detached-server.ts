import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { isAlive, markProcess, type ProcessMark } from "../../broker/embedded/directory-lock.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { logTail, type ServerOptions } from "./server-process.ts";
import { serverEnvironment } from "./stack-environment.ts";

/** How long a server may take to end in order, ms. */
const stopTimeoutMs = 30_000;

/**
 * Starts a server that goes on when this process ends, in a session of its own: no signal of a
 * terminal reaches it. Resolves at once; `serving` waits until it serves.
 *
 * @throws {MillraceError} STACK_START_FAILED when the program cannot be run.
 */
export async function spawnDetached(options: ServerOptions): Promise<ProcessMark> {
  const { name, command, args, directory, logFile, env } = options;
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const log = openSync(logFile, "a", 0o600);
  try {
    const child = spawn(command, args, {
      cwd: directory,
      stdio: ["ignore", log, log],
      detached: true,
      env: { ...(env ?? serverEnvironment()) },
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", (error) =>
        reject(new MillraceError("STACK_START_FAILED", { name, reason: error.message })),
      );
    });
    child.unref();
    return markProcess(child.pid ?? 0);
  } finally {
    closeSync(log);
  }
}

/**
 * Waits until a server serves.
 *
 * @throws {MillraceError} STACK_START_FAILED with the end of its log when it ends before, or when
 * it takes too long; then it is left to those who look into it.
 */
export async function serving(
  options: Pick<ServerOptions, "name" | "probe" | "logFile" | "startTimeoutMs">,
  mark: ProcessMark,
): Promise<void> {
  const { name, probe, logFile, startTimeoutMs = 60_000 } = options;
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      await probe();
      return;
    } catch (error) {
      if (!isAlive(mark) || Date.now() > deadline) {
        const reason = `${String(error)}; log ${logFile}: ${logTail(logFile)}`;
        throw new MillraceError("STACK_START_FAILED", { name, reason }, { cause: error });
      }
    }
    await wait(50);
  }
}

/** SIGTERM, and SIGKILL after half a minute; resolves when the process is gone. */
export async function stopDetached(mark: ProcessMark): Promise<void> {
  const deadline = Date.now() + stopTimeoutMs;
  let killed = false;
  signal(mark, "SIGTERM");
  while (isAlive(mark)) {
    if (!killed && Date.now() > deadline) {
      killed = true;
      signal(mark, "SIGKILL");
    }
    await wait(25);
  }
}

function signal(mark: ProcessMark, name: NodeJS.Signals): void {
  if (!isAlive(mark)) return;
  try {
    process.kill(mark.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
