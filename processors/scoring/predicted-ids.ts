import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Spill } from "../local-store.ts";
import { ArrivalMap, type EntryCodec } from "./arrival-map.ts";

interface PredictedId {
  readonly id: string;
  /** When it was predicted last, UTC ms. */
  readonly at: number;
}

/**
 * Ids that have been predicted lately. An id is unique for `within`, the end included; for as long
 * again its labels belong to that prediction, which they are too late for, and to no later one.
 *
 * Times never fall from call to call. Memory: an id and a number for each prediction of the last
 * 2 × within, or for as many as the spill says; the others stand on disk.
 */
export class PredictedIds {
  readonly #withinMs: number;
  readonly #ids: ArrivalMap<PredictedId>;

  constructor(withinMs: number, spill: Spill | null = null) {
    this.#withinMs = withinMs;
    this.#ids = new ArrivalMap("predicted", codec, spill);
  }

  /** Entries in memory. */
  get inMemory(): number {
    return this.#ids.inMemory;
  }

  /** Forgets what is too long ago at `knownAt` to matter. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - 2 * this.#withinMs;
    for (let first = this.#ids.oldest(); first !== undefined; first = this.#ids.oldest()) {
      if (first.at >= horizon) break;
      this.#ids.take(first.id);
    }
  }

  /** Whether a prediction of the id at `knownAt` would be a second one. */
  isDuplicate(id: string, knownAt: number): boolean {
    const known = this.#ids.get(id);
    return known !== undefined && knownAt <= known.at + this.#withinMs;
  }

  /** Whether a label of the id belongs to a prediction that has been made. */
  owns(id: string): boolean {
    return this.#ids.get(id) !== undefined;
  }

  add(id: string, predictedAt: number): void {
    this.#ids.take(id);
    this.#ids.add({ id, at: predictedAt });
    this.#ids.trim();
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#ids.size);
    for (const entry of this.#ids.values()) codec.write(writer, entry);
  }

  restore(reader: ByteReader): void {
    this.#ids.clear();
    for (let left = reader.u32(); left > 0; left--) this.add(reader.text(), reader.f64());
  }
}

const codec: EntryCodec<PredictedId> = {
  write: (writer, { id, at }) => {
    writer.text(id);
    writer.f64(at);
  },
  read: (reader) => ({ id: reader.text(), at: reader.f64() }),
};
