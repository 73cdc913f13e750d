import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import type { FeatureColumns } from "./feature-columns.ts";
import type { UpdateInput } from "./update-input.ts";
import { type EventValues, noValues } from "./value-columns.ts";

const initialEvents = 4;

/**
 * The events of one entity key by event time (ties by arrival), and its windows over them.
 * Window w holds the events from its start pointer on; an event at t leaves it at t + w.
 */
export class ExactWindows {
  nextExpiry = Number.POSITIVE_INFINITY;
  readonly #columns: FeatureColumns;
  readonly #values: Float64Array;
  readonly #others: Scalar[];
  readonly #states: object[];
  /** By window the index of its first event. */
  readonly #starts: Uint32Array;
  #times = new Float64Array(initialEvents);
  #inputs: Float64Array;
  /** By event its inputs that are no doubles; null where there are none. */
  #eventValues: EventValues[] | null;
  #end = 0;

  /** @param values, others - the columns of the key, which the windows keep up to date. */
  constructor(columns: FeatureColumns, values: Float64Array, others: Scalar[]) {
    this.#columns = columns;
    this.#values = values;
    this.#others = others;
    this.#eventValues = columns.values.areKept ? [] : null;
    this.#states = columns.prepare();
    this.#starts = new Uint32Array(columns.windowMs.length);
    this.#inputs = new Float64Array(initialEvents * columns.inputs);
    for (let window = 0; window < this.#starts.length; window++) this.#finalize(window);
  }

  /** Events in the longest window. */
  get size(): number {
    return this.#end - this.#first;
  }

  /**
   * Takes an event with its inputs into every window that it has not left already; all expiries up
   * to its knownAt must have been done.
   */
  insert(eventTime: number, knownAt: number, event: UpdateInput): void {
    const at = this.#makeRoom(eventTime);
    const stride = this.#columns.inputs;
    this.#times[at] = eventTime;
    event.copyInputs(this.#inputs, at * stride);
    const values = event.values();
    if (this.#eventValues !== null) this.#eventValues[at] = values;
    for (let window = 0; window < this.#starts.length; window++) {
      if (eventTime + (this.#columns.windowMs[window] as number) <= knownAt) {
        this.#starts[window] = (this.#starts[window] as number) + 1;
        continue;
      }
      this.#columns.update(this.#states, window, this.#inputs, at * stride, eventTime, values);
      this.#finalize(window);
    }
    this.#findNextExpiry();
  }

  /** Takes out of every window what leaves it at `instant`. */
  expire(instant: number): void {
    const stride = this.#columns.inputs;
    for (let window = 0; window < this.#starts.length; window++) {
      const lengthMs = this.#columns.windowMs[window] as number;
      const before = this.#starts[window] as number;
      let start = before;
      while (start < this.#end) {
        const time = this.#times[start] as number;
        if (time + lengthMs > instant) break;
        const values = this.#valuesOf(start);
        this.#columns.retract(this.#states, window, this.#inputs, start * stride, time, values);
        start++;
      }
      if (start === before) continue;
      this.#starts[window] = start;
      this.#finalize(window);
    }
    this.#findNextExpiry();
  }

  /** Calls `take` with each event of the longest window, in order; its inputs start at `at`. */
  forEach(
    take: (eventTime: number, inputs: Float64Array, at: number, values: EventValues) => void,
  ): void {
    for (let event = this.#first; event < this.#end; event++) {
      const time = this.#times[event] as number;
      take(time, this.#inputs, event * this.#columns.inputs, this.#valuesOf(event));
    }
  }

  /** Adds an event behind all others, without effect until `open`. */
  append(eventTime: number, inputs: Float64Array, at: number, values: EventValues): void {
    if (this.#end === this.#times.length) this.#compact();
    const stride = this.#columns.inputs;
    this.#times[this.#end] = eventTime;
    this.#inputs.set(inputs.subarray(at, at + stride), this.#end * stride);
    this.#eventValues?.push(values);
    this.#end++;
  }

  /** Puts appended events into the windows that they have not left at `now`. */
  open(now: number): void {
    for (let window = 0; window < this.#starts.length; window++) {
      const lengthMs = this.#columns.windowMs[window] as number;
      let start = 0;
      while (start < this.#end && (this.#times[start] as number) + lengthMs <= now) start++;
      this.#starts[window] = start;
    }
    this.#fill();
  }

  /** u32 events, u32 start a window; then time, inputs and values. */
  snapshot(writer: ByteWriter): void {
    const first = this.#first;
    const stride = this.#columns.inputs;
    writer.u32(this.#end - first);
    for (const start of this.#starts) writer.u32(start - first);
    for (let event = first; event < this.#end; event++) {
      writer.f64(this.#times[event] as number);
      for (let i = 0; i < stride; i++) writer.f64(this.#inputs[event * stride + i] as number);
      this.#columns.values.writeEvent(this.#valuesOf(event), writer);
    }
  }

  /** Fills new windows from their snapshot; exact accumulators come out as they were. */
  restore(reader: ByteReader): void {
    const stride = this.#columns.inputs;
    const events = reader.u32();
    for (let window = 0; window < this.#starts.length; window++) {
      this.#starts[window] = reader.u32();
    }
    this.#times = new Float64Array(Math.max(events, initialEvents));
    this.#inputs = new Float64Array(this.#times.length * stride);
    this.#end = events;
    for (let event = 0; event < events; event++) {
      this.#times[event] = reader.f64();
      for (let i = 0; i < stride; i++) this.#inputs[event * stride + i] = reader.f64();
      this.#eventValues?.push(this.#columns.values.readEvent(reader));
    }
    this.#fill();
  }

  /** Windows come by ascending length: the last one holds every event that is kept. */
  get #first(): number {
    return this.#starts[this.#starts.length - 1] as number;
  }

  /** Puts the events from the start pointers on into windows that are empty. */
  #fill(): void {
    const stride = this.#columns.inputs;
    for (let window = 0; window < this.#starts.length; window++) {
      for (let event = this.#starts[window] as number; event < this.#end; event++) {
        const time = this.#times[event] as number;
        const values = this.#valuesOf(event);
        this.#columns.update(this.#states, window, this.#inputs, event * stride, time, values);
      }
      this.#finalize(window);
    }
    this.#findNextExpiry();
  }

  #finalize(window: number): void {
    this.#columns.finalize(this.#states, window, this.#values, this.#others);
  }

  #valuesOf(event: number): EventValues {
    return this.#eventValues === null ? noValues : (this.#eventValues[event] as EventValues);
  }

  #findNextExpiry(): void {
    let next = Number.POSITIVE_INFINITY;
    for (let window = 0; window < this.#starts.length; window++) {
      const start = this.#starts[window] as number;
      if (start === this.#end) continue;
      const leaves = (this.#times[start] as number) + (this.#columns.windowMs[window] as number);
      if (leaves < next) next = leaves;
    }
    this.nextExpiry = next;
  }

  /** Index for an event behind all of its time or earlier, with the later ones moved up. */
  #makeRoom(eventTime: number): number {
    if (this.#end === this.#times.length) this.#compact();
    const times = this.#times;
    const first = this.#first;
    let low = first;
    let high = this.#end;
    if (high > first && (times[high - 1] as number) <= eventTime) low = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((times[middle] as number) <= eventTime) low = middle + 1;
      else high = middle;
    }
    this.#eventValues?.splice(low, 0, noValues);
    if (low < this.#end) {
      const stride = this.#columns.inputs;
      times.copyWithin(low + 1, low, this.#end);
      this.#inputs.copyWithin((low + 1) * stride, low * stride, this.#end * stride);
    }
    this.#end++;
    return low;
  }

  /** Moves the kept events to the front, into arrays that fit: at least a quarter stays free. */
  #compact(): void {
    const first = this.#first;
    const size = this.#end - first;
    const stride = this.#columns.inputs;
    let capacity = this.#times.length;
    if (size * 4 > capacity * 3) capacity *= 2;
    else if (size * 4 < capacity && capacity > initialEvents) capacity /= 2;
    const times = capacity === this.#times.length ? this.#times : new Float64Array(capacity);
    const inputs = times === this.#times ? this.#inputs : new Float64Array(capacity * stride);
    times.set(this.#times.subarray(first, this.#end));
    inputs.set(this.#inputs.subarray(first * stride, this.#end * stride));
    this.#times = times;
    this.#inputs = inputs;
    this.#eventValues?.splice(0, first);
    for (let window = 0; window < this.#starts.length; window++) {
      this.#starts[window] = (this.#starts[window] as number) - first;
    }
    this.#end = size;
  }
}
