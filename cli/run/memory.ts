import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Resident memory of this process and the named ones, in bytes; a process that ended counts 0. */
export async function treeRssBytes(pids: readonly number[]): Promise<number> {
  const sizes = await Promise.all(pids.map(rssBytes));
  return sizes.reduce((sum, size) => sum + size, process.memoryUsage.rss());
}

async function rssBytes(pid: number): Promise<number> {
  try {
    if (process.platform === "linux") {
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    }
    const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)]);
    return Number(stdout.trim()) * 1024;
  } catch {
    return 0;
  }
}
