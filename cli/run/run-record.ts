import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What the summary needs of earlier starts in the same data directory. */
export interface RunRecord {
  /** Time spent so far, ms. */
  readonly elapsedMs: number;
  readonly maxRssBytes: number;
  /** End of the range that was completed last, UTC ms; null while none was. */
  readonly completedTo: number | null;
}

export const noRunRecord: RunRecord = Object.freeze({
  elapsedMs: 0,
  maxRssBytes: 0,
  completedTo: null,
});

const nameOf = (directory: string) => join(directory, "run.json");

export async function readRunRecord(directory: string): Promise<RunRecord> {
  try {
    return JSON.parse(await readFile(nameOf(directory), "utf8")) as RunRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return noRunRecord;
    throw error;
  }
}

/** Written whole or not at all. */
export async function writeRunRecord(directory: string, record: RunRecord): Promise<void> {
  const temporary = `${nameOf(directory)}.tmp`;
  await writeFile(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  await rename(temporary, nameOf(directory));
}
