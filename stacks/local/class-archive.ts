import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { Java } from "./java.ts";

/**
 * Where a folder of jars keeps the archive of the classes that a server of it loads at its start.
 * One for each Java: a JVM reads what it has written itself, and ignores what does not fit the
 * jars.
 */
export function classArchive(java: Java, folder: string): string {
  const release = join(java.home, "release");
  const hash = createHash("sha256").update(realpathSync(java.executable));
  if (existsSync(release)) hash.update(readFileSync(release));
  return join(folder, `start-classes-${hash.digest("hex").slice(0, 12)}.jsa`);
}

/** Flags that let a server map its classes instead of reading them, where they were archived. */
export function archiveFlags(java: Java, folder: string): string[] {
  const file = classArchive(java, folder);
  return existsSync(file) ? [`-XX:SharedArchiveFile=${file}`] : [];
}
