import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Stack } from "../runtime/hosting/stack.ts";
import { openEmbeddedStack } from "../stacks/embedded-stack.ts";
import { ofFlights } from "../testing/flights-app-fixture.ts";

const main = fileURLToPath(new URL("./main.js", import.meta.url));
const children = new Set<ChildProcess>();

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A command that was started. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it printed so far. */
  readonly out: () => string;
  readonly err: () => string;
}

/** Starts `millrace` with these arguments; no input. */
export function startMillrace(...args: string[]): Started {
  const child = spawn(process.execPath, [main, ...ofFlights(args)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => {
      children.delete(child);
      resolve({ code, out, err });
    });
  });
  return { child, ended, out: () => out, err: () => err };
}

/** Kills the commands that still run: for `after`. */
export function killStarted(): void {
  for (const child of children) child.kill("SIGKILL");
}

/** Uses the embedded stack of a data directory that nobody holds. */
export async function withStack<T>(
  directory: string,
  use: (stack: Stack) => Promise<T>,
): Promise<T> {
  const stack = await openEmbeddedStack({ directory });
  try {
    return await use(stack);
  } finally {
    await stack.close();
  }
}

const patienceMs = 300_000;

/** Asks again until the answer is not null. */
export async function until<T>(what: string, ask: () => Promise<T | null> | T | null): Promise<T> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== null) return answer;
    await wait(20);
  }
  throw new Error(`waited too long for ${what}`);
}
