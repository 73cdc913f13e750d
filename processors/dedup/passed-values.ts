import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** Processed heads are cut off the order in pieces of this many entries. */
const cutEvery = 4096;

/**
 * Values of the records that were passed on, and their event times, for as long as another record
 * may come near them: event times lie at most `lateness` behind the knownAt of their record, and
 * that never falls. Memory: a value and two numbers for each record of the last within + lateness.
 */
export class PassedValues {
  readonly #withinMs: number;
  readonly #keptMs: number;
  readonly #timesOf = new Map<string, number[]>();
  /** In the order of passing. */
  #values: string[] = [];
  #times: number[] = [];
  #knownAts: number[] = [];
  #oldest = 0;

  constructor(withinMs: number, latenessMs: number) {
    this.#withinMs = withinMs;
    this.#keptMs = withinMs + latenessMs;
  }

  /** Values that it keeps. */
  get size(): number {
    return this.#timesOf.size;
  }

  /** Forgets what no record known at `knownAt` or later can come near. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - this.#keptMs;
    while (this.#oldest < this.#values.length) {
      if ((this.#knownAts[this.#oldest] as number) >= horizon) break;
      this.#forget(this.#values[this.#oldest] as string, this.#times[this.#oldest] as number);
      this.#oldest++;
    }
    if (this.#oldest < cutEvery) return;
    for (const each of [this.#values, this.#times, this.#knownAts]) each.splice(0, this.#oldest);
    this.#oldest = 0;
  }

  /** Whether a record of the value was passed on at most `within` before or after `time`. */
  isNear(value: string, time: number): boolean {
    const times = this.#timesOf.get(value);
    if (times === undefined) return false;
    return times.some((each) => Math.abs(time - each) <= this.#withinMs);
  }

  add(value: string, time: number, knownAt: number): void {
    const times = this.#timesOf.get(value);
    if (times === undefined) this.#timesOf.set(value, [time]);
    else times.push(time);
    this.#values.push(value);
    this.#times.push(time);
    this.#knownAts.push(knownAt);
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#values.length - this.#oldest);
    for (let i = this.#oldest; i < this.#values.length; i++) {
      writer.text(this.#values[i] as string);
      writer.f64(this.#times[i] as number);
      writer.f64(this.#knownAts[i] as number);
    }
  }

  restore(reader: ByteReader): void {
    this.#timesOf.clear();
    this.#values = [];
    this.#times = [];
    this.#knownAts = [];
    this.#oldest = 0;
    for (let left = reader.u32(); left > 0; left--) {
      this.add(reader.text(), reader.f64(), reader.f64());
    }
  }

  #forget(value: string, time: number): void {
    const times = this.#timesOf.get(value);
    if (times === undefined) return;
    times.splice(times.indexOf(time), 1);
    if (times.length === 0) this.#timesOf.delete(value);
  }
}
