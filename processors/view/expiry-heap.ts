import { compareKeys } from "./key-order.ts";

/** What a heap orders: by the instant, then by the bytes of the key. */
export interface Expiring {
  readonly key: string;
  /** UTC ms, Infinity: never; after a change call `moved`. */
  nextExpiry: number;
  /** Place in the heap, −1 outside; kept by the heap. */
  heapIndex: number;
}

/** A binary heap with the least (instant, key) on top; each key stands in it once. */
export class ExpiryHeap<T extends Expiring> {
  readonly #entries: T[] = [];

  get top(): T | undefined {
    return this.#entries[0];
  }

  /** Puts the entry where its instant now belongs: in, out or elsewhere. */
  moved(entry: T): void {
    if (entry.nextExpiry === Number.POSITIVE_INFINITY) {
      if (entry.heapIndex >= 0) this.#remove(entry);
      return;
    }
    if (entry.heapIndex < 0) {
      entry.heapIndex = this.#entries.length;
      this.#entries.push(entry);
    }
    this.#place(entry);
  }

  clear(): void {
    for (const entry of this.#entries) entry.heapIndex = -1;
    this.#entries.length = 0;
  }

  #remove(entry: T): void {
    const at = entry.heapIndex;
    const last = this.#entries.pop();
    entry.heapIndex = -1;
    if (last === undefined || last === entry) return;
    last.heapIndex = at;
    this.#entries[at] = last;
    this.#place(last);
  }

  #place(entry: T): void {
    if (!this.#rise(entry)) this.#sink(entry);
  }

  #rise(entry: T): boolean {
    const entries = this.#entries;
    const from = entry.heapIndex;
    let at = from;
    while (at > 0) {
      const up = (at - 1) >>> 1;
      const parent = entries[up] as T;
      if (!before(entry, parent)) break;
      entries[at] = parent;
      parent.heapIndex = at;
      at = up;
    }
    entries[at] = entry;
    entry.heapIndex = at;
    return at !== from;
  }

  #sink(entry: T): void {
    const entries = this.#entries;
    let at = entry.heapIndex;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= entries.length) break;
      const right = down + 1;
      if (right < entries.length && before(entries[right] as T, entries[down] as T)) down = right;
      const child = entries[down] as T;
      if (!before(child, entry)) break;
      entries[at] = child;
      child.heapIndex = at;
      at = down;
    }
    entries[at] = entry;
    entry.heapIndex = at;
  }
}

function before(a: Expiring, b: Expiring): boolean {
  if (a.nextExpiry !== b.nextExpiry) return a.nextExpiry < b.nextExpiry;
  return compareKeys(a.key, b.key) < 0;
}
