import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeWhole } from "../../runtime/hosting/write-whole.ts";
import type { LatencyRecord } from "./prediction-latency.ts";

/** What a live run keeps for its next start. */
export interface LiveRecord {
  /** First start, UTC ms. */
  readonly from: number;
  /** When the present run ends, UTC ms; null: on Ctrl-C. */
  readonly until: number | null;
  /** The `--for` that set this end, ms; null: none. */
  readonly forMs: number | null;
  /** Whether it came to its end: then the next start begins another. */
  readonly ended: boolean;
  readonly latency: LatencyRecord | null;
}

const nameOf = (directory: string) => join(directory, "live.json");

/** Null: nothing was ever run live there. */
export async function readLiveRecord(directory: string): Promise<LiveRecord | null> {
  try {
    return JSON.parse(await readFile(nameOf(directory), "utf8")) as LiveRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Written whole or not at all. */
export async function writeLiveRecord(directory: string, record: LiveRecord): Promise<void> {
  await writeWhole(nameOf(directory), `${JSON.stringify(record)}\n`);
}
