import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** Processed heads are cut off the order in pieces of this many entries. */
const cutEvery = 4096;

/**
 * Ids that have been predicted lately. An id is unique for `within`, the end included; for as long
 * again its labels belong to that prediction, which they are too late for, and to no later one.
 *
 * Times never fall from call to call. Memory: an id and a number for each prediction of the last
 * 2 × within.
 */
export class PredictedIds {
  readonly #withinMs: number;
  /** When each id was predicted last, UTC ms. */
  readonly #at = new Map<string, number>();
  /** All predictions in order, those of ids that came again since included. */
  #ids: string[] = [];
  #times: number[] = [];
  #oldest = 0;

  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** Forgets what is too long ago at `knownAt` to matter. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - 2 * this.#withinMs;
    while (this.#oldest < this.#times.length) {
      const time = this.#times[this.#oldest] as number;
      if (time >= horizon) break;
      const id = this.#ids[this.#oldest] as string;
      if (this.#at.get(id) === time) this.#at.delete(id);
      this.#oldest++;
    }
    if (this.#oldest < cutEvery) return;
    this.#ids.splice(0, this.#oldest);
    this.#times.splice(0, this.#oldest);
    this.#oldest = 0;
  }

  /** Whether a prediction of the id at `knownAt` would be a second one. */
  isDuplicate(id: string, knownAt: number): boolean {
    const at = this.#at.get(id);
    return at !== undefined && knownAt <= at + this.#withinMs;
  }

  /** Whether a label of the id belongs to a prediction that has been made. */
  owns(id: string): boolean {
    return this.#at.has(id);
  }

  add(id: string, predictedAt: number): void {
    this.#at.set(id, predictedAt);
    this.#ids.push(id);
    this.#times.push(predictedAt);
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#at.size);
    for (let i = this.#oldest; i < this.#times.length; i++) {
      const id = this.#ids[i] as string;
      const time = this.#times[i] as number;
      if (this.#at.get(id) !== time) continue;
      writer.text(id);
      writer.f64(time);
    }
  }

  restore(reader: ByteReader): void {
    this.#at.clear();
    this.#ids = [];
    this.#times = [];
    this.#oldest = 0;
    for (let left = reader.u32(); left > 0; left--) this.add(reader.text(), reader.f64());
  }
}
