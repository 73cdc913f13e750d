import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
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

const commands = fileURLToPath(new URL("./commands-fixture.js", import.meta.url));
const one: { child?: ChildProcess; last: Promise<unknown> } = { last: Promise.resolve() };

/**
 * Runs a command to its end in one process with all others that are asked for so, one after the
 * other: to start one costs a second of CPU. For looks, whose rule is not the process.
 */
export function askMillrace(...args: string[]): Promise<Ended> {
  return askMillraceIn({}, ...args);
}

/** Where a command runs. */
export interface Surroundings {
  /** @default that of the tests */
  readonly cwd?: string;
  /** All of its variables. @default those of the tests */
  readonly env?: NodeJS.ProcessEnv;
}

/** The same in another directory, or with other variables. */
export function askMillraceIn(where: Surroundings, ...args: string[]): Promise<Ended> {
  const answer = one.last.then(() => askNext({ ...where, args: ofFlights(args) }));
  one.last = answer.catch(() => {});
  return answer;
}

async function askNext(asked: Surroundings & { args: readonly string[] }): Promise<Ended> {
  one.child ??= spawn(process.execPath, [commands], { stdio: "pipe" });
  const { child } = one;
  children.add(child);
  const answer = Promise.all([untilEnded(child, "stdout"), untilEnded(child, "stderr")]);
  child.stdin?.write(`${JSON.stringify(asked)}\n`);
  const [out, err] = await answer;
  return { code: out.code, out: out.text, err: err.text };
}

/** What a stream says up to the end of the command. */
function untilEnded(child: ChildProcess, name: "stdout" | "stderr") {
  return new Promise<{ readonly text: string; readonly code: number }>((resolve, reject) => {
    const [stream, chunks] = [child[name] as Readable, [] as Buffer[]];
    const close = () => reject(new Error(`ended amid a command: ${Buffer.concat(chunks)}`));
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunk.at(-1) !== 0) return;
      const [, text = "", code] = /^(.*)\0(\d+)\0$/s.exec(Buffer.concat(chunks).toString()) ?? [];
      if (code === undefined) return;
      stream.off("data", take);
      child.off("close", close);
      resolve({ text, code: Number(code) });
    };
    stream.on("data", take);
    child.on("close", close);
  });
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

/** Asks again until the answer is not null; seldom where to answer takes something. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null> | T | null,
  everyMs = 20,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    const answer = await ask();
    if (answer !== null) return answer;
    await wait(everyMs);
  }
  throw new Error(`waited too long for ${what}`);
}
