import { readdir, readFile, writeFile } from "node:fs/promises";

export type Half = 0 | 1;

/** What a process of a run is there for, by its command line. */
const roles: readonly (readonly [pattern: RegExp, role: string])[] = [
  [/chdb-process/, "chDB"],
  [/worker-process/, "worker"],
  [/cli\/main\.js/, "worker"],
];

/** Written into `clear_refs`: the kernel's peak of resident memory starts over. */
const resetPeak = "5";

/**
 * The highest resident memory of a process and all its descendants, by role, in each half of a run.
 * The kernel itself keeps the peaks (`VmHWM`), so none is missed between two looks; it is told to
 * start over when the second half begins. Linux only.
 */
export class FamilyMemory {
  /** By role, bytes; the largest process of the role. */
  readonly peaks = new Map<string, [first: number, second: number]>();
  readonly #root: number;
  #half: Half = 0;

  constructor(root: number) {
    this.#root = root;
  }

  /** Takes the peaks as they are; a process that has just ended is passed over. */
  async look(half: Half): Promise<void> {
    const pids = await familyOf(this.#root);
    for (const pid of pids) await this.#lookAt(pid, this.#half);
    if (half === this.#half) return;
    this.#half = half;
    for (const pid of pids) {
      await unlessGone(() => writeFile(`/proc/${pid}/clear_refs`, resetPeak));
      await this.#lookAt(pid, half);
    }
  }

  async #lookAt(pid: number, half: Half): Promise<void> {
    const command = await unlessGone(() => readFile(`/proc/${pid}/cmdline`, "utf8"));
    const status = await unlessGone(() => readFile(`/proc/${pid}/status`, "utf8"));
    const kib = /^VmHWM:\s+(\d+) kB/m.exec(status ?? "")?.[1];
    if (command === null || kib === undefined) return;
    const role = roles.find(([pattern]) => pattern.test(command))?.[1] ?? "other";
    const peaks = this.peaks.get(role) ?? [0, 0];
    peaks[half] = Math.max(peaks[half], Number(kib) * 1024);
    this.peaks.set(role, peaks);
  }
}

/** A process and all that it started, and so on. */
async function familyOf(root: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await unlessGone(() => readFile(`/proc/${name}/stat`, "utf8"));
    // The name of the program stands in parentheses and may hold anything.
    const parent = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    parents.set(Number(name), Number(parent));
  }
  const family = [root];
  for (const member of family) {
    for (const [pid, parent] of parents) if (parent === member) family.push(pid);
  }
  return family;
}

async function unlessGone<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw error;
  }
}
