import { mkdir } from "node:fs/promises";
import { DirectoryLock } from "../broker/embedded/directory-lock.ts";
import { closeAll } from "../runtime/hosting/close-all.ts";
import type { Keep } from "./open-servers.ts";

/**
 * Makes a data directory (owner-only), takes its lock where `exclusive`, and opens what works in
 * it. `close` closes the parts kept, the last one first, and lets the lock go, though some of them
 * fail; then it rejects with the first error. A failure to open closes what was opened.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds the directory; DATA_UNSAFE when
 * others may write there.
 */
export async function holdDirectory<T>(
  directory: string,
  exclusive: boolean,
  open: (keep: Keep, close: () => Promise<void>) => Promise<T>,
): Promise<T> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = exclusive ? DirectoryLock.take(directory) : null;
  const closings: (() => Promise<void>)[] = [async () => lock?.release()];
  const keep: Keep = (part) => {
    closings.unshift(() => part.close());
    return part;
  };
  const close = () => closeAll(closings.splice(0));
  try {
    return await open(keep, close);
  } catch (error) {
    // Why it could not be opened says more than what then could not be closed.
    await close().catch(() => {});
    throw error;
  }
}
