import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Spill } from "../local-store.ts";

/** How entries stand on disk. */
export interface EntryCodec<Entry> {
  write(writer: ByteWriter, entry: Entry): void;
  read(reader: ByteReader): Entry;
}

/** Removed entries that the order in memory holds before it is put together anew. */
const cutEvery = 4_096;

/**
 * Entries by id in order of arrival: found and removed by id, and the oldest one known. With a
 * spill it keeps at most so many of them in memory: {@link trim} moves the oldest to disk, where
 * they are found all the same. Entries on disk are older than all in memory.
 *
 * On disk an entry stands under its id, behind the number of its chunk; a chunk is the ids that
 * were moved together, in their order. Of those the oldest chunk alone is in memory.
 */
export class ArrivalMap<Entry extends { readonly id: string }> {
  readonly #name: string;
  readonly #codec: EntryCodec<Entry>;
  readonly #spill: Spill | null;
  readonly #memory = new Map<string, Entry>();
  /** Of the entries in memory, with such that are gone. */
  #order: Entry[] = [];
  #first = 0;
  readonly #writer = new ByteWriter();
  #spilled = 0;
  /** Chunks on disk: [firstChunk, nextChunk); the ids of the first one from #firstId on. */
  #firstChunk = 0;
  #nextChunk = 0;
  #ids: readonly string[] | null = null;
  #firstId = 0;
  #oldestOnDisk: Entry | undefined;

  /** @param name - of its keys in the store, apart from those of others. */
  constructor(name: string, codec: EntryCodec<Entry>, spill: Spill | null) {
    this.#name = name;
    this.#codec = codec;
    this.#spill = spill;
  }

  get size(): number {
    return this.#memory.size + this.#spilled;
  }

  /** Entries in memory. */
  get inMemory(): number {
    return this.#memory.size;
  }

  get(id: string): Entry | undefined {
    return this.#memory.get(id) ?? this.#onDisk(id)?.entry;
  }

  /** Adds an entry as the newest one; there is none of its id. */
  add(entry: Entry): void {
    this.#memory.set(entry.id, entry);
    if (this.#order.length - this.#memory.size > Math.max(cutEvery, this.#memory.size)) {
      this.#order = [...this.#memory.values()];
      this.#first = 0;
    } else this.#order.push(entry);
  }

  /** Removes and returns the entry of an id. */
  take(id: string): Entry | undefined {
    const entry = this.#memory.get(id);
    if (entry !== undefined) {
      this.#memory.delete(id);
      return entry;
    }
    const spilled = this.#onDisk(id);
    if (spilled === undefined) return undefined;
    this.#spill?.store.remove(this.#byId(id));
    this.#spilled--;
    if (this.#oldestOnDisk?.id === id) this.#oldestOnDisk = undefined;
    return spilled.entry;
  }

  oldest(): Entry | undefined {
    return this.#spilled > 0 ? this.#oldestSpilled() : this.#oldestInMemory();
  }

  /** In order of arrival. */
  *values(): Iterable<Entry> {
    for (let chunk = this.#firstChunk; this.#spilled > 0 && chunk < this.#nextChunk; chunk++) {
      for (const id of this.#idsOf(chunk)) {
        const found = this.#onDisk(id);
        if (found?.chunk === chunk) yield found.entry;
      }
    }
    yield* this.#memory.values();
  }

  clear(): void {
    for (const { id } of this.#spilled > 0 ? [...this.values()] : []) this.take(id);
    this.#memory.clear();
    this.#order = [];
    this.#first = 0;
  }

  /** Moves to disk what is beyond memory's share, as it is now: entries there never change. */
  trim(): void {
    if (this.#spill === null || this.#memory.size <= this.#spill.entries) return;
    const { store, entries } = this.#spill;
    // A quarter at once: a chunk is worth its reading.
    const moved = this.#memory.size - Math.floor(entries * 0.75);
    const chunk = new ByteWriter();
    chunk.u32(moved);
    for (let left = moved; left > 0; left--) {
      const entry = this.#oldestInMemory() as Entry;
      this.#memory.delete(entry.id);
      chunk.text(entry.id);
      this.#writer.reset();
      this.#writer.f64(this.#nextChunk);
      this.#codec.write(this.#writer, entry);
      store.put(this.#byId(entry.id), this.#writer.take());
    }
    store.put(this.#byChunk(this.#nextChunk), chunk.take());
    this.#nextChunk++;
    this.#spilled += moved;
  }

  #oldestInMemory(): Entry | undefined {
    const order = this.#order;
    let first = this.#first;
    let entry = order[first];
    while (entry !== undefined && this.#memory.get(entry.id) !== entry) entry = order[++first];
    if (first >= cutEvery) {
      order.splice(0, first);
      first = 0;
    }
    this.#first = first;
    return entry;
  }

  #oldestSpilled(): Entry | undefined {
    while (this.#oldestOnDisk === undefined && this.#firstChunk < this.#nextChunk) {
      this.#ids ??= this.#idsOf(this.#firstChunk);
      const id = this.#ids[this.#firstId];
      if (id === undefined) {
        this.#spill?.store.remove(this.#byChunk(this.#firstChunk++));
        this.#ids = null;
        this.#firstId = 0;
        continue;
      }
      const found = this.#onDisk(id);
      if (found?.chunk === this.#firstChunk) this.#oldestOnDisk = found.entry;
      else this.#firstId++;
    }
    return this.#oldestOnDisk;
  }

  #idsOf(chunk: number): string[] {
    const stored = this.#spill?.store.get(this.#byChunk(chunk));
    if (stored === undefined) return [];
    const reader = new ByteReader(stored);
    return Array.from({ length: reader.u32() }, () => reader.text());
  }

  /** An id may stand in several chunks; its entry is that of the last one. */
  #onDisk(id: string): { readonly chunk: number; readonly entry: Entry } | undefined {
    if (this.#spilled === 0) return undefined;
    const stored = this.#spill?.store.get(this.#byId(id));
    if (stored === undefined) return undefined;
    const reader = new ByteReader(stored);
    return { chunk: reader.f64(), entry: this.#codec.read(reader) };
  }

  #byId(id: string): string {
    return `${this.#name}=${id}`;
  }

  #byChunk(chunk: number): string {
    return `${this.#name}#${chunk}`;
  }
}
