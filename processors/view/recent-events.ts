import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { type EventValues, noValues, type ValueColumns } from "./value-columns.ts";

/** The newest events of a key by arrival, up to a fixed number: a ring. */
export class RecentEvents {
  readonly times: Float64Array;
  readonly inputs: Float64Array;
  /** Empty where events have doubles alone. */
  readonly #values: EventValues[] = [];
  readonly #columns: ValueColumns;
  readonly #capacity: number;
  readonly #stride: number;
  #oldest = 0;
  #size = 0;

  /** @param capacity - events kept, ≥ 1. */
  constructor(capacity: number, stride: number, columns: ValueColumns) {
    this.#columns = columns;
    this.#capacity = capacity;
    this.#stride = stride;
    this.times = new Float64Array(capacity);
    this.inputs = new Float64Array(capacity * stride);
  }

  /** Time of the event that the next one replaces; −Infinity: none. */
  get replaces(): number {
    return this.#size < this.#capacity
      ? Number.NEGATIVE_INFINITY
      : (this.times[this.#oldest] as number);
  }

  /** The inputs of an event that are no doubles. */
  valuesOf(index: number): EventValues {
    return this.#columns.areKept ? (this.#values[index] as EventValues) : noValues;
  }

  /** Keeps the inputs of an event that are no doubles. */
  keepValues(index: number, values: EventValues): void {
    if (this.#columns.areKept) this.#values[index] = values;
  }

  /** Makes place for an event; the caller fills its inputs. Returns its index. */
  push(eventTime: number): number {
    let index = this.#oldest + this.#size;
    if (index >= this.#capacity) index -= this.#capacity;
    if (this.#size < this.#capacity) this.#size++;
    else this.#oldest = this.#oldest + 1 === this.#capacity ? 0 : this.#oldest + 1;
    this.times[index] = eventTime;
    return index;
  }

  /** Indices by event time, ties by arrival, of the events after `time`. */
  after(time: number): number[] {
    const indices: number[] = [];
    for (let i = 0; i < this.#size; i++) {
      const index = (this.#oldest + i) % this.#capacity;
      if ((this.times[index] as number) > time) indices.push(index);
    }
    return indices.sort((a, b) => (this.times[a] as number) - (this.times[b] as number));
  }

  /** u32 events, then by arrival the f64 time, the f64 inputs and the values of each. */
  write(writer: ByteWriter): void {
    writer.u32(this.#size);
    for (let i = 0; i < this.#size; i++) {
      const index = (this.#oldest + i) % this.#capacity;
      writer.f64(this.times[index] as number);
      const first = index * this.#stride;
      for (let at = first; at < first + this.#stride; at++) writer.f64(this.inputs[at] as number);
      this.#columns.writeEvent(this.valuesOf(index), writer);
    }
  }

  /** Fills a new ring. */
  read(reader: ByteReader): void {
    for (let events = reader.u32(); events > 0; events--) {
      const index = this.push(reader.f64());
      for (let i = 0; i < this.#stride; i++) this.inputs[index * this.#stride + i] = reader.f64();
      this.keepValues(index, this.#columns.readEvent(reader));
    }
  }
}
