import { rm } from "node:fs/promises";
import { join } from "node:path";
import { openChdb } from "../sinks/chdb/chdb.ts";
import type { OfflineStore } from "../sinks/store.ts";

/** A store for the rows of one file while they are scored. */
export interface ScoreStore extends OfflineStore {
  /** Closes it and removes all that it holds. */
  remove(): Promise<void>;
}

/**
 * Opens chDB in a folder of its own, in a child process; what a process left there that was killed
 * is there again.
 *
 * @throws {MillraceError} OFFLINE_START_FAILED, also while another process is at it.
 */
export async function openScoreStore(directory: string): Promise<ScoreStore> {
  const store = await openChdb({
    ...{ directory: join(directory, "rows"), spoolDirectory: join(directory, "spool") },
    database: "scores",
  });
  return Object.assign(store, {
    remove: async () => {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  });
}
