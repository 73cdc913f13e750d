import { openSync } from "node:fs";
import { join, relative, resolve } from "node:path";

/** Longest path that a Unix socket takes, without the closing zero (macOS; Linux takes 107). */
const maxPathBytes = 103;

/** Where a run listens, in its data directory. */
export function socketPath(directory: string): string {
  return join(resolve(directory), "millrace.sock");
}

/**
 * A name of the same socket that is short enough: the path itself, the path from the working
 * directory, or on Linux through a descriptor of the directory, which must exist.
 */
export function socketAddress(directory: string): string {
  const path = socketPath(directory);
  const fits = (text: string) => Buffer.byteLength(text) <= maxPathBytes;
  if (fits(path)) return path;
  const near = relative(process.cwd(), path);
  if (fits(near)) return near;
  return `/proc/self/fd/${openSync(directory, "r")}/millrace.sock`;
}
