import { MillraceError } from "./errors.ts";

/** How the operating system says that a disk, or a user's share of it, is full. */
const fullCodes: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);

/** Whether a file could not be written because there is no room for it. */
export function isStorageFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof MillraceError && error.code === "STORAGE_FULL") return true;
  const { code } = error as NodeJS.ErrnoException;
  // What an engine says of its own files stands in its text.
  return fullCodes.has(code) || /No space left on device|Disk quota exceeded/.test(error.message);
}

/** One error for a full disk, whichever file of a data directory was to be written. */
export function storageFull(directory: string, cause?: unknown): MillraceError {
  // Whoever met it first knows where.
  if (cause instanceof MillraceError && cause.code === "STORAGE_FULL") return cause;
  const context = { directory, reason: "no space is left" };
  return new MillraceError("STORAGE_FULL", context, cause === undefined ? {} : { cause });
}
