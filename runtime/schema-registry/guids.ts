/** GUIDs that are remembered: beyond, they are forgotten, for whoever writes records makes them. */
const limit = 1_000;

/** Bytes of a GUID. */
const bytes = 16;

interface Known {
  readonly bytes: Buffer;
  readonly text: string;
}

/**
 * The texts of GUIDs, each made once: a source that has one in each record would else make a text
 * for each.
 */
export class Guids {
  /** By the first three bytes, a number that is no object. */
  readonly #known = new Map<number, Known[]>();
  #size = 0;

  /** The text of the 16 bytes at a place, e.g. `01234567-89ab-cdef-0123-456789abcdef`. */
  at(buffer: Buffer, start: number): string {
    const first = buffer.readUIntBE(start, 3);
    const alike = this.#known.get(first);
    if (alike !== undefined) {
      for (let i = 0; i < alike.length; i++) {
        const known = alike[i] as Known;
        if (known.bytes.compare(buffer, start, start + bytes) === 0) return known.text;
      }
    }
    return this.#add(first, Buffer.from(buffer.subarray(start, start + bytes)));
  }

  #add(first: number, copy: Buffer): string {
    if (this.#size++ >= limit) {
      this.#known.clear();
      this.#size = 1;
    }
    const text = copy.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    const alike = this.#known.get(first);
    if (alike === undefined) this.#known.set(first, [{ bytes: copy, text }]);
    else alike.push({ bytes: copy, text });
    return text;
  }
}
