import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../runtime/hosting/write-whole.ts";

export type Halves = readonly [first: number, second: number];

/** What the summary needs of earlier starts in the same data directory. */
export interface RunRecord {
  /** Time spent so far, ms. */
  readonly elapsedMs: number;
  /**
   * Highest resident memory in the first and in the second half of the range, bytes: of `all`
   * processes together and of each `worker N`.
   */
  readonly peaks: Readonly<Record<string, Halves>>;
  /** End of the range that was completed last, UTC ms; null while none was. */
  readonly completedTo: number | null;
}

export const noRunRecord: RunRecord = Object.freeze({
  elapsedMs: 0,
  peaks: {},
  completedTo: null,
});

const nameOf = (directory: string) => join(directory, "run.json");

export async function readRunRecord(directory: string): Promise<RunRecord> {
  try {
    const found = JSON.parse(await readFile(nameOf(directory), "utf8")) as Partial<RunRecord>;
    return { ...noRunRecord, ...found };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return noRunRecord;
    throw error;
  }
}

/** Written whole or not at all. */
export async function writeRunRecord(directory: string, record: RunRecord): Promise<void> {
  await writeWhole(nameOf(directory), `${JSON.stringify(record)}\n`);
}
