import { join } from "node:path";
import type { ServerAccess } from "../runtime/config/server-access.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { type ChdbStore, openChdb } from "../sinks/chdb/chdb.ts";
import type { OfflineStore } from "../sinks/store.ts";
import { checkServers, type ServersKind } from "./check-servers.ts";
import { holdDirectory } from "./hold-directory.ts";
import { openServers } from "./open-servers.ts";

export interface ServersStackOptions {
  readonly kind: ServersKind;
  readonly access: ServerAccess;
  /** Data directory: models, manifest and record of the run; all else is on the servers. */
  readonly directory: string;
  /** Whether this process alone may use the data directory, as a run does. @default false */
  readonly exclusive?: boolean;
}

/**
 * Opens clients of servers that others run; nothing is started and nothing of theirs is stopped.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds the directory; STACK_UNREACHABLE
 * naming every server that cannot be used, and why.
 */
export async function openServersStack(options: ServersStackOptions): Promise<Stack> {
  const { kind, access, directory, exclusive = false } = options;
  return await holdDirectory(directory, exclusive, async (keep, close) => {
    await checkServers(kind, access);
    const parts = await openServers(access, directory, keep);
    const files = keep(new FileEngine(directory));
    return { ...parts, kind, files, pids: () => files.pids, close };
  });
}

/** chDB in a child process, started when a file is first read: the servers cannot see ours. */
class FileEngine implements Pick<OfflineStore, "queryStream" | "close"> {
  readonly #directory: string;
  #opening: Promise<ChdbStore> | null = null;
  #chdb: ChdbStore | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get pids(): readonly number[] {
    return this.#chdb === null ? [] : [this.#chdb.pid];
  }

  async queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    this.#opening ??= this.#open();
    await (await this.#opening).queryStream(sql, onChunk);
  }

  async close(): Promise<void> {
    await (await this.#opening?.catch(() => null))?.close();
  }

  /** One that could not be opened is tried again by the next query. */
  async #open(): Promise<ChdbStore> {
    try {
      this.#chdb = await openChdb({
        directory: join(this.#directory, "files"),
        spoolDirectory: join(this.#directory, "spool"),
      });
      return this.#chdb;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }
}
