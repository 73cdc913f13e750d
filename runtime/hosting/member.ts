import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { writeWhole } from "./write-whole.ts";

const fileName = "member";
const nameRule = /^[\w.-]{1,64}$/;

/**
 * Name of a data directory among those that run a plan on one Kafka: made at random once and kept
 * in its file `member`, so that a restart takes its place and fences what it left behind, and
 * another directory is another member. Somebody may write the file beforehand, e.g. where a stable
 * name of the machine is all that outlives it. The caller holds the directory's lock.
 *
 * @throws {MillraceError} DATA_MEMBER when the file holds no name; STORAGE_FULL.
 */
export async function memberOf(directory: string): Promise<string> {
  const path = join(directory, fileName);
  const found = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (found === null) {
    const made = randomBytes(8).toString("hex");
    await writeWhole(path, `${made}\n`);
    return made;
  }
  const name = found.trim();
  if (!nameRule.test(name)) throw new MillraceError("DATA_MEMBER", { path });
  return name;
}

/** Instance id of a worker of a member. */
export function instanceOf(member: string, worker: string): string {
  return `${member}-${worker}`;
}

/** Workers of a member among instance ids. */
export function workersIn(instances: readonly string[], member: string): string[] {
  const prefix = instanceOf(member, "");
  return instances.flatMap((id) =>
    id.startsWith(prefix) && /^\d+$/.test(id.slice(prefix.length)) ? [id.slice(prefix.length)] : [],
  );
}
