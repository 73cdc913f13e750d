import { mkdir } from "node:fs/promises";
import { DirectoryLock } from "../broker/embedded/directory-lock.ts";
import type { Keep } from "./open-servers.ts";

/**
 * Makes a data directory (owner-only), takes its lock where `exclusive`, and opens what works in
 * it. `close` closes the parts kept, the last one first, and lets the lock go; so does a failure.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds the directory.
 */
export async function holdDirectory<T>(
  directory: string,
  exclusive: boolean,
  open: (keep: Keep, close: () => Promise<void>) => Promise<T>,
): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = exclusive ? DirectoryLock.take(directory) : null;
  const opened: { close(): Promise<void> }[] = [];
  const keep: Keep = (part) => {
    opened.unshift(part);
    return part;
  };
  const close = async () => {
    for (const part of opened.splice(0)) await part.close();
    lock?.release();
  };
  try {
    return await open(keep, close);
  } catch (error) {
    await close();
    throw error;
  }
}
