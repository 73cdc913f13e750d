import { join } from "node:path";
import { type ChdbStore, openChdb } from "../sinks/chdb/chdb.ts";
import type { OfflineStore } from "../sinks/store.ts";

/** chDB in a child process, started when a file is first read: servers read no file of ours. */
export class FileEngine
  implements Pick<OfflineStore, "query" | "queryText" | "queryStream" | "close">
{
  readonly #directory: string;
  #opening: Promise<ChdbStore> | null = null;
  #chdb: ChdbStore | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get pids(): readonly number[] {
    return this.#chdb === null ? [] : [this.#chdb.pid];
  }

  async query<Row>(sql: string): Promise<Row[]> {
    return (await this.#opened()).query<Row>(sql);
  }

  async queryText(sql: string, format: string): Promise<string> {
    return (await this.#opened()).queryText(sql, format);
  }

  async queryStream(sql: string, onChunk: (chunk: Buffer) => void): Promise<void> {
    await (await this.#opened()).queryStream(sql, onChunk);
  }

  async close(): Promise<void> {
    await (await this.#opening?.catch(() => null))?.close();
  }

  #opened(): Promise<ChdbStore> {
    this.#opening ??= this.#open();
    return this.#opening;
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
