import { closeSync, existsSync, fstatSync, ftruncateSync, readFileSync } from "node:fs";
import { MillraceError } from "../../schemas/errors.ts";
import { crc32c } from "../record-batch/crc32c.ts";
import type { Storage, StoragePoint } from "./storage.ts";

/** Length and CRC-32C in front of each entry, both u32 little endian. */
const frameBytes = 8;

/** The journal is rewritten once it holds this, and four times what it held when it was last. */
const compactBytes = 4 * 1024 * 1024;
const compactFactor = 4;

/**
 * A file of JSON entries, each with its checksum, that is only appended to. What a crash cut off
 * at its end was never acknowledged. Now and then it is replaced by a short one that says the same.
 */
export class Journal<Entry> {
  readonly #storage: Storage;
  readonly #path: string;
  #file: number | null = null;
  #size = 0;
  #compactAt = compactBytes;

  constructor(storage: Storage, path: string) {
    this.#storage = storage;
    this.#path = path;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  /**
   * The entries so far, in order; a torn tail is cut off.
   *
   * @throws {MillraceError} STORAGE_DAMAGED when whole entries stand behind one that is not: no
   * crash leaves that.
   */
  load(): Entry[] {
    const bytes = existsSync(this.#path) ? readFileSync(this.#path) : Buffer.alloc(0);
    const entries: Entry[] = [];
    let at = 0;
    for (let end = entryEnd(bytes, at); end > at; end = entryEnd(bytes, at)) {
      entries.push(JSON.parse(bytes.toString("utf8", at + frameBytes, end)) as Entry);
      at = end;
    }
    for (let behind = at + 1; behind < bytes.length; behind++) {
      if (entryEnd(bytes, behind) > behind) this.#refuse(at);
    }
    this.#size = at;
    return entries;
  }

  #refuse(position: number): never {
    const { directory } = this.#storage;
    const reason = `the entry at byte ${position} of ${this.#path} is not as it was written`;
    throw new MillraceError("STORAGE_DAMAGED", { directory, reason });
  }

  /** Appends an entry, whole or not at all. */
  append(point: StoragePoint, entry: Entry): void {
    const frame = encode(entry);
    const file = this.#open();
    this.#storage.write(point, file, frame, this.#size);
    this.#size += frame.length;
    this.#storage.flush(file);
  }

  get wantsCompaction(): boolean {
    return this.#size >= this.#compactAt;
  }

  /** Replaces everything by entries that amount to the same. */
  compact(entries: readonly Entry[]): void {
    const content = Buffer.concat(entries.map(encode));
    this.#storage.replace(["journal-compact", "journal-rename"], this.#path, content);
    this.close();
    this.#size = content.length;
    this.#compactAt = Math.max(compactBytes, content.length * compactFactor);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #open(): number {
    if (this.#file === null) {
      this.#file = this.#storage.openFile(this.#path);
      if (fstatSync(this.#file).size > this.#size) ftruncateSync(this.#file, this.#size);
    }
    return this.#file;
  }
}

/** Where the entry at a position ends; the position itself when no whole one stands there. */
function entryEnd(bytes: Buffer, at: number): number {
  const body = at + frameBytes;
  if (body >= bytes.length) return at;
  const end = body + bytes.readUInt32LE(at);
  // A power cut may leave zeros where the file had grown.
  if (end > bytes.length || end === body) return at;
  return crc32c(bytes, body, end) === bytes.readUInt32LE(at + 4) ? end : at;
}

function encode(entry: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(entry), "utf8");
  const frame = Buffer.allocUnsafe(frameBytes + body.length);
  frame.writeUInt32LE(body.length, 0);
  body.copy(frame, frameBytes);
  frame.writeUInt32LE(crc32c(body), 4);
  return frame;
}
