import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

/** Values by time, those of one instant ascending; what has left stands before `start`. */
class TimedValues {
  readonly #times: number[] = [];
  readonly #values: number[] = [];
  #start = 0;

  get first(): number {
    return this.#values[this.#start] ?? Number.NaN;
  }

  add(time: number, value: number): void {
    const place = this.#placeOf(time, value);
    if (place === this.#times.length) {
      this.#times.push(time);
      this.#values.push(value + 0);
    } else {
      this.#times.splice(place, 0, time);
      this.#values.splice(place, 0, value + 0);
    }
  }

  remove(time: number, value: number): void {
    const place = this.#placeOf(time, value);
    if (this.#times[place] !== time || this.#values[place] !== value) {
      throw new RangeError(`the value ${value} of ${time} was never put in`);
    }
    if (place > this.#start) {
      this.#times.splice(place, 1);
      this.#values.splice(place, 1);
      return;
    }
    this.#start++;
    if (this.#start * 2 < this.#times.length) return;
    this.#times.splice(0, this.#start);
    this.#values.splice(0, this.#start);
    this.#start = 0;
  }

  /** The first place that is not before the value; most often the last or the first. */
  #placeOf(time: number, value: number): number {
    let low = this.#start;
    let high = this.#times.length;
    if (low < high && this.#isBefore(high - 1, time, value)) return high;
    if (low < high && !this.#isBefore(low, time, value)) return low;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isBefore(middle, time, value)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isBefore(place: number, time: number, value: number): boolean {
    const at = this.#times[place] as number;
    return at < time || (at === time && (this.#values[place] as number) < value);
  }
}

interface FirstState {
  values: number;
  /** Of the first value; Infinity and NaN without any. */
  time: number;
  value: number;
}

const exact: Algebra<TimedValues> = {
  stateName: "timed",
  prepare: () => new TimedValues(),
  update(state, value, time) {
    if (!Number.isNaN(value)) state.add(time, value);
  },
  retract(state, value, time) {
    if (!Number.isNaN(value)) state.remove(time, value);
  },
  finalize: (state) => state.first,
};

/** Of values of one instant the smallest is the first: the order of arrival does not show. */
function take(state: FirstState, values: number, time: number, value: number): void {
  state.values += values;
  if (time > state.time || (time === state.time && value >= state.value)) return;
  state.time = time;
  state.value = value + 0;
}

const tiled: TileAlgebra<FirstState> = {
  stateName: "first",
  prepare: () => ({ values: 0, time: Number.POSITIVE_INFINITY, value: Number.NaN }),
  update(state, value, time) {
    if (!Number.isNaN(value)) take(state, 1, time, value);
  },
  merge(state, other) {
    if (other.values > 0) take(state, other.values, other.time, other.value);
  },
  // What leaves is the oldest: of the parts that stay each may hold what is now the first.
  remove(state, part) {
    if (part.values === 0) return true;
    state.values -= part.values;
    if (state.values > 0) return false;
    state.time = Number.POSITIVE_INFINITY;
    state.value = Number.NaN;
    return true;
  },
  write(state, writer) {
    writer.f64(state.values);
    writer.f64(state.time);
    writer.f64(state.value);
  },
  read: (reader) => ({ values: reader.f64(), time: reader.f64(), value: reader.f64() }),
  finalize: (state) => state.value,
};

/** The value of the oldest record, of several at one instant the smallest; null without values. */
export const first = {
  kind: "first",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("first", { field }, options),
  exact: () => exact,
  tiled: () => tiled,
  naive(values, _, times) {
    const oldest = Math.min(...times);
    const at = values.filter((__, i) => times[i] === oldest);
    return at.length === 0 ? null : Math.min(...at) + 0;
  },
  sql: ({ value, time, inside }) => `argMinIf(${value}, (${time}, ${value}), ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
