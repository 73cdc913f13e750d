import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { serverEnvironment } from "../../stacks/local/stack-environment.ts";
import type { Halves, RunRecord } from "./run-record.ts";

const run = promisify(execFile);

/**
 * Resident memory of the processes of a run in bytes: of each worker, as `worker N`, and of `all`,
 * this process included. A process that ended counts 0.
 */
export async function rssOf(
  workers: ReadonlyMap<string, number>,
  others: readonly number[],
): Promise<Map<string, number>> {
  const pids = [...new Set([process.pid, ...workers.values(), ...others])];
  const sizes = new Map(
    await Promise.all(pids.map(async (pid) => [pid, await rssBytes(pid)] as const)),
  );
  const found = new Map([["all", [...sizes.values()].reduce((sum, size) => sum + size, 0)]]);
  for (const [id, pid] of workers) found.set(`worker ${id}`, sizes.get(pid) ?? 0);
  return found;
}

/** The peaks after one more look, in one half of the range. */
export function withPeaks(
  peaks: RunRecord["peaks"],
  seen: ReadonlyMap<string, number>,
  half: 0 | 1,
): RunRecord["peaks"] {
  const raised: Record<string, Halves> = { ...peaks };
  for (const [name, size] of seen) {
    const [first, second] = raised[name] ?? [0, 0];
    raised[name] = half === 0 ? [Math.max(first, size), second] : [first, Math.max(second, size)];
  }
  return raised;
}

/** Of both halves. */
export function peakOf(peaks: RunRecord["peaks"], name: string): number {
  return Math.max(...(peaks[name] ?? [0]));
}

/** Of each worker, by its id. */
export function workerPeaks(peaks: RunRecord["peaks"]): Record<string, number> {
  const names = Object.keys(peaks).filter((name) => name.startsWith("worker "));
  return Object.fromEntries(names.map((name) => [name.slice(7), peakOf(peaks, name)]));
}

async function rssBytes(pid: number): Promise<number> {
  try {
    if (process.platform === "linux") {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    }
    const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)], {
      env: serverEnvironment(),
    });
    return Number(stdout.trim()) * 1024;
  } catch {
    return 0;
  }
}
