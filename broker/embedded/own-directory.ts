import { chmodSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { MillraceError } from "../../schemas/errors.ts";

/**
 * Makes a directory for its owner alone, or makes an own one so. One that others may write is
 * refused unless it is empty: whatever stands there may be theirs, links included.
 *
 * @throws {MillraceError} DATA_UNSAFE for that, and for the directory of another user than root.
 */
export function ownDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { mode, uid } = statSync(directory);
  const self = process.getuid?.() ?? uid;
  const refuse = (reason: string) => new MillraceError("DATA_UNSAFE", { directory, reason });
  if (uid !== self && uid !== 0) throw refuse(`belongs to the user ${uid}`);
  // That of root is often a volume which this process reaches by its group.
  const others = uid === self ? 0o022 : 0o002;
  const isOpen = (mode & others) !== 0;
  if (isOpen && (uid !== self || readdirSync(directory).length > 0)) {
    throw refuse(`can be written by others (mode ${(mode & 0o777).toString(8)})`);
  }
  if (uid === self && (mode & 0o077) !== 0) chmodSync(directory, 0o700);
}
