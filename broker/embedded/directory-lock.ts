import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { ownDirectory } from "./own-directory.ts";

/** A process as it is recognised later. */
export interface ProcessMark {
  readonly pid: number;
  /** When the process and the system began, so that a number used again is not taken for it. */
  readonly started: string | null;
  readonly boot: string | null;
}

interface Holder extends ProcessMark {
  readonly token: string;
}

const attempts = 5;

/** Holds a data directory for one process; a lock of a process that is gone is taken over. */
export class DirectoryLock {
  readonly #path: string;
  readonly #token: string;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /**
   * @throws {MillraceError} DATA_LOCKED naming the process that holds the directory; DATA_UNSAFE
   * when others may write there.
   */
  static take(directory: string): DirectoryLock {
    ownDirectory(directory);
    const path = join(directory, "lock");
    const token = randomUUID();
    const own = join(directory, `lock.${token}`);
    const holder: Holder = { ...markProcess(process.pid), token };
    writeFileSync(own, JSON.stringify(holder), { mode: 0o600, flag: "wx" });
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        // A link is made whole or not at all, so nobody reads half a lock.
        if (tryLink(own, path)) return new DirectoryLock(path, token);
        clearStale(directory, path);
      }
    } finally {
      rmSync(own, { force: true });
    }
    throw new MillraceError("DATA_LOCKED", {
      directory,
      pid: readHolder(path)?.pid ?? "(unknown)",
    });
  }

  /** @throws {MillraceError} DATA_LOCKED when a living process holds the directory. */
  static checkFree(directory: string): void {
    const holder = readHolder(join(directory, "lock"));
    if (holder === null || !isAlive(holder)) return;
    throw new MillraceError("DATA_LOCKED", { directory, pid: holder.pid });
  }

  release(): void {
    if (readHolder(this.#path)?.token === this.#token) rmSync(this.#path, { force: true });
  }
}

/** Moves a lock whose process is gone out of the way; puts it back if it was somebody else's. */
function clearStale(directory: string, path: string): void {
  const holder = readHolder(path);
  if (holder === null) return;
  if (isAlive(holder)) throw new MillraceError("DATA_LOCKED", { directory, pid: holder.pid });
  const aside = join(directory, `lock.stale.${randomUUID()}`);
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readHolder(aside);
  if (moved !== null && moved.token !== holder.token) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(path: string): Holder | null {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    return JSON.parse(text) as Holder;
  } catch {
    // Locks are made whole: a power cut has taken the text, and with it the process.
    return { pid: -1, started: null, boot: "", token: text };
  }
}

/** Marks a living process. */
export function markProcess(pid: number): ProcessMark {
  return { pid, started: startOf(pid), boot: bootId() };
}

/** Whether the marked process, and no other of its number, still runs. */
export function isAlive(holder: ProcessMark): boolean {
  if (holder.boot !== null && holder.boot !== bootId()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const started = startOf(holder.pid);
  return holder.started === null || started === null || holder.started === started;
}

/** Start of a process in ticks since boot, where the system tells; a zombie counts as gone. */
function startOf(pid: number): string | null {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name in parentheses may hold anything; the fields behind it are fixed.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? "gone" : (fields[19] ?? null);
}

function bootId(): string | null {
  return readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? null;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
