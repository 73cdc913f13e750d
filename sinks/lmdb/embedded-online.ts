import { createHash } from "node:crypto";
import { chmod, mkdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { MillraceError } from "../../schemas/errors.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";
import {
  decodeOnlineRow,
  decodeProgress,
  encodeOnlineRow,
  encodeProgress,
  mayAdvance,
  mayReplace,
  risenProgress,
  storedPosition,
  topicFence,
} from "../online-row.ts";
import type { OnlineEntry, OnlineFlush, OnlineKey, OnlineStore } from "../store.ts";

export interface EmbeddedOnlineOptions {
  /** Folder of the database; owner-only. One process writes it at a time. */
  readonly directory: string;
}

/** What a commit may take besides its values, about: pages that it writes anew. */
const spareBytes = 1024 * 1024;

/** Longest key that goes in as it is; lmdb takes 1,978 bytes. A longer one is hashed. */
const keyBytesMax = 1_024;

/**
 * The online store of the embedded stack: one lmdb database. Rows and progress of a flush stand in
 * one transaction, and `write` resolves once it is on the disk: what a pump has committed is there
 * after a power failure too. A write that fails has written nothing: STORAGE_FULL where the disk
 * is, else STORAGE_FAILED.
 */
export async function openEmbeddedOnlineStore(
  options: EmbeddedOnlineOptions,
): Promise<OnlineStore> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const path = join(options.directory, "online.lmdb");
  const database = open<Buffer, Buffer>({
    path,
    encoding: "binary",
    keyEncoding: "binary",
    // A write is one batch already, and of those that an event turn makes nobody hears a failure.
    eventTurnBatching: false,
  });
  await chmod(path, 0o600);
  return new EmbeddedOnlineStore(database, options.directory);
}

class EmbeddedOnlineStore implements OnlineStore {
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #directory: string;
  /** The write in hand: one after the other, since each reads what it may replace. */
  #last: Promise<void> = Promise.resolve();

  constructor(database: RootDatabase<Buffer, Buffer>, directory: string) {
    this.#database = database;
    this.#directory = directory;
  }

  write(flush: OnlineFlush): Promise<void> {
    const written = this.#last.then(() => this.#write(flush));
    this.#last = written.catch(() => {});
    return written;
  }

  async read(keys: readonly OnlineKey[]): Promise<OnlineEntry[]> {
    // All in one turn: lmdb reads them from one snapshot.
    return keys.map(({ view, entityKey, partition }) => {
      const stored = this.#database.get(rowKey(view, entityKey));
      return {
        row: stored === undefined ? null : decodeOnlineRow(stored, this.#directory),
        progress: decodeProgress(this.#database.get(progressKey(view, partition))),
      };
    });
  }

  async position(view: string, topicId: string, partition: number): Promise<number | null> {
    return storedPosition(this.#database.get(progressKey(view, partition)), topicId);
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#database.close();
  }

  async #write({ view, topicId, partition, rows, nextOffset, progress }: OnlineFlush) {
    const database = this.#database;
    const topic = topicFence(topicId);
    // A batch is not undone when something throws within it: all is made ready before.
    const puts: { readonly key: Buffer; readonly value: Buffer }[] = [];
    for (const { entityKey, offset, row } of rows) {
      const key = rowKey(view, entityKey);
      const stored = database.get(key);
      if (stored !== undefined && !mayReplace(stored, topic, offset)) continue;
      puts.push({ key, value: encodeOnlineRow(topic, offset, row) });
    }
    const key = progressKey(view, partition);
    const stored = database.get(key);
    if (stored === undefined || mayAdvance(stored, topic, nextOffset)) {
      const risen = stored === undefined ? progress : risenProgress(stored, topic, progress);
      puts.push({ key, value: encodeProgress(topic, nextOffset, risen) });
    }
    await this.#mustHaveRoom(puts);
    try {
      await database.batch(() => {
        // Each is rejected when the batch is, which says all.
        for (const { key, value } of puts) database.put(key, value).catch(() => {});
      });
    } catch (error) {
      // What was not committed is never flushed: nobody may wait for that.
      throw await this.#errorOf(error as Error);
    }
    await database.flushed;
  }

  /** lmdb tells a disk that is full apart from a broken one only by what has room on it. */
  async #mustHaveRoom(puts: readonly { readonly value: Buffer }[]): Promise<void> {
    const bytes = puts.reduce((sum, { value }) => sum + value.length, spareBytes);
    if ((await this.#roomBytes()) < bytes) throw storageFull(this.#directory);
  }

  async #roomBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#directory);
    return bavail * bsize;
  }

  /** A commit fails with a promise of why it did. */
  async #errorOf(failure: Error & { readonly commitError?: unknown }): Promise<MillraceError> {
    const cause = await Promise.resolve(failure.commitError ?? failure).catch((why) => why);
    const isFull = isStorageFull(cause) || (await this.#roomBytes()) < spareBytes;
    const directory = this.#directory;
    if (isFull) return storageFull(directory, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new MillraceError("STORAGE_FAILED", { directory, reason }, { cause });
  }
}

function rowKey(view: string, entityKey: string): Buffer {
  const key = Buffer.from(`r${view}\0${entityKey}`, "utf8");
  if (key.length <= keyBytesMax) return key;
  return Buffer.from(`h${view}\0${createHash("sha256").update(entityKey).digest("hex")}`, "utf8");
}

function progressKey(view: string, partition: number): Buffer {
  return Buffer.from(`p${view}\0${partition}`, "utf8");
}
