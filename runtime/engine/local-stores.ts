import { existsSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import type { LocalStore, Spill } from "../../processors/local-store.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";

export interface SpillOptions {
  /** A folder of this process alone; it is emptied. */
  readonly directory: string;
  /** Entries that each structure of a task keeps in memory. */
  readonly entries: number;
}

/** Writes gathered before they go to disk together. */
const batchWrites = 4_096;

/** Room that lmdb takes besides the values, bytes: a disk with less is full. */
const spareBytes = 256 * 1024;

/**
 * The local stores of the tasks of a process, in one lmdb database that is made when the first of
 * them writes. Nothing in it outlives the tasks: they are restored from their changelogs, so it is
 * never synced to the disk, and never has to be undone after a failed commit.
 */
export class LocalStores {
  readonly #options: SpillOptions;
  readonly #pending = new Map<string, Buffer | null>();
  #database: RootDatabase<Buffer, Buffer> | null = null;
  #stores = 0;

  constructor(options: SpillOptions) {
    this.#options = options;
    rmSync(options.directory, { recursive: true, force: true });
  }

  /** For a task that is made now: its store is empty. */
  open(): Spill {
    const prefix = `${this.#stores++}/`;
    const store: LocalStore = {
      get: (key) => this.#get(prefix + key),
      put: (key, value) => this.#set(prefix + key, Buffer.from(value)),
      remove: (key) => this.#set(prefix + key, null),
    };
    return { store, entries: this.#options.entries };
  }

  /** All tasks are made anew, or none is left: what they held goes. */
  clear(): void {
    this.#pending.clear();
    // Closing waits for nothing: no write is under way between two turns.
    this.#database?.close().catch(() => {});
    this.#database = null;
    rmSync(this.#options.directory, { recursive: true, force: true });
  }

  #get(key: string): Buffer | undefined {
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending ?? undefined;
    return this.#database?.get(Buffer.from(key));
  }

  #set(key: string, value: Buffer | null): void {
    this.#pending.set(key, value);
    if (this.#pending.size >= batchWrites) this.#write();
  }

  /** @throws {MillraceError} STORAGE_FULL, STORAGE_FAILED. */
  #write(): void {
    try {
      // A name of its own: what was closed just now may still be open underneath.
      this.#database ??= openDatabase(this.#options.directory, `${this.#stores}.lmdb`);
      const database = this.#database;
      database.transactionSync(() => {
        for (const [key, value] of this.#pending) {
          const stored = Buffer.from(key);
          if (value === null) database.removeSync(stored);
          else database.putSync(stored, value);
        }
      });
    } catch (error) {
      throw this.#errorOf(error);
    }
    this.#pending.clear();
  }

  /** lmdb tells a disk that is full apart from a broken one only by what has room on it. */
  #errorOf(error: unknown): MillraceError {
    const { directory } = this.#options;
    if (isStorageFull(error) || !this.#hasRoom()) return storageFull(directory, error);
    const reason = error instanceof Error ? error.message : String(error);
    return new MillraceError("STORAGE_FAILED", { directory, reason }, { cause: error });
  }

  #hasRoom(): boolean {
    const { directory } = this.#options;
    if (!existsSync(directory)) return true;
    let bytes = spareBytes;
    for (const value of this.#pending.values()) bytes += value?.length ?? 0;
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize >= bytes;
  }
}

function openDatabase(directory: string, name: string): RootDatabase<Buffer, Buffer> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return open<Buffer, Buffer>({
    path: join(directory, name),
    encoding: "binary",
    keyEncoding: "binary",
    noSync: true,
  });
}
