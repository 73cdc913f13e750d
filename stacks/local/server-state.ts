import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { DirectoryLock, type ProcessMark } from "../../broker/embedded/directory-lock.ts";
import { ownDirectory } from "../../broker/embedded/own-directory.ts";
import { MillraceError } from "../../schemas/errors.ts";

/** The local servers, in the order in which they are shown. */
export const localServerNames = ["kafka", "registry", "redis", "clickhouse"] as const;
export type LocalServerName = (typeof localServerNames)[number];

/** A server as it was last started. */
export interface ServerRecord extends ProcessMark {
  readonly port: number;
}

export type ServerRecords = Partial<Readonly<Record<LocalServerName, ServerRecord>>>;

/** How long to wait while another process starts or stops the servers, ms. */
const lockTimeoutMs = 180_000;

const folderOf = (directory: string) => join(directory, "servers");
const fileOf = (directory: string) => join(folderOf(directory), "servers.json");

/** Pids and ports of the servers of a data directory; empty when none was ever started. */
export function readServerRecords(directory: string): ServerRecords {
  try {
    return JSON.parse(readFileSync(fileOf(directory), "utf8")) as ServerRecords;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

/** Written whole or not at all. The caller holds the lock. */
export function writeServerRecords(directory: string, records: ServerRecords): void {
  mkdirSync(folderOf(directory), { recursive: true, mode: 0o700 });
  const temporary = `${fileOf(directory)}.tmp`;
  rmSync(temporary, { force: true });
  const text = `${JSON.stringify(records, null, 2)}\n`;
  writeFileSync(temporary, text, { mode: 0o600, flag: "wx" });
  renameSync(temporary, fileOf(directory));
}

/**
 * Works while no other process starts or stops the servers of the directory; waits for one that
 * does.
 *
 * @throws {MillraceError} DATA_LOCKED when it takes longer than three minutes; DATA_UNSAFE when
 * others may write to the directory.
 */
export async function withServersLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  ownDirectory(directory);
  const lock = await takeLock(folderOf(directory));
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function takeLock(folder: string): Promise<DirectoryLock> {
  const deadline = Date.now() + lockTimeoutMs;
  for (;;) {
    try {
      return DirectoryLock.take(folder);
    } catch (error) {
      const held = error instanceof MillraceError && error.code === "DATA_LOCKED";
      if (!held || Date.now() > deadline) throw error;
    }
    await wait(100);
  }
}
