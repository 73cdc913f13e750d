import type { ValueOutput } from "../../schemas/feature-view.ts";
import {
  type AggregateKind,
  type AggregateOptions,
  define,
  type Scalar,
  type ValueAggregate,
} from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import {
  type ChosenValue,
  chosenCodec,
  doubles,
  type FieldValues,
  inOrder,
  valuesOf,
} from "./field-values.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

/** Values by time, those of one instant ascending; what has left stands before `start`. */
class TimedValues<V> {
  readonly #of: FieldValues<V>;
  readonly #times: number[] = [];
  readonly #values: V[] = [];
  #start = 0;

  constructor(of: FieldValues<V>) {
    this.#of = of;
  }

  get first(): V {
    return this.#start < this.#values.length ? (this.#values[this.#start] as V) : this.#of.none;
  }

  add(time: number, value: V): void {
    const place = this.#placeOf(time, value);
    if (place === this.#times.length) {
      this.#times.push(time);
      this.#values.push(this.#of.plain(value));
    } else {
      this.#times.splice(place, 0, time);
      this.#values.splice(place, 0, this.#of.plain(value));
    }
  }

  remove(time: number, value: V): void {
    const place = this.#placeOf(time, value);
    const kept = this.#values[place];
    if (this.#times[place] !== time || this.#of.compare(kept as V, value) !== 0) {
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
  #placeOf(time: number, value: V): number {
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

  #isBefore(place: number, time: number, value: V): boolean {
    const at = this.#times[place] as number;
    if (at !== time) return at < time;
    return this.#of.compare(this.#values[place] as V, value) < 0;
  }
}

interface Algebras<V> {
  readonly exact: Algebra<TimedValues<V>, V>;
  readonly tiled: TileAlgebra<ChosenValue<V>, V>;
}

function algebrasOf<V>(of: FieldValues<V>): Algebras<V> {
  return { exact: exactOf(of), tiled: tiledOf(of) };
}

function exactOf<V>(of: FieldValues<V>): Algebra<TimedValues<V>, V> {
  return {
    stateName: "timed",
    prepare: () => new TimedValues(of),
    update(state, value, time) {
      if (!of.isNone(value)) state.add(time, value);
    },
    retract(state, value, time) {
      if (!of.isNone(value)) state.remove(time, value);
    },
    finalize: (state) => state.first,
  };
}

function tiledOf<V>(of: FieldValues<V>): TileAlgebra<ChosenValue<V>, V> {
  /** Of values of one instant the smallest is the first: the order of arrival does not show. */
  function take(state: ChosenValue<V>, values: number, time: number, value: V): void {
    state.values += values;
    if (time > state.time) return;
    if (time === state.time && of.compare(value, state.value) >= 0) return;
    state.time = time;
    state.value = value;
  }

  return {
    stateName: "first",
    prepare: () => ({ values: 0, time: Number.POSITIVE_INFINITY, value: of.none }),
    update(state, value, time) {
      if (!of.isNone(value)) take(state, 1, time, of.plain(value));
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
      state.value = of.none;
      return true;
    },
    ...chosenCodec(of),
    finalize: (state) => state.value,
  };
}

const { exact, tiled } = algebrasOf(doubles);

function ofValues(type: ValueOutput): ValueAggregate {
  return {
    ...algebrasOf(valuesOf(type)),
    naive(values, times) {
      const oldest = Math.min(...times);
      return inOrder(values.filter((_, i) => times[i] === oldest))[0] ?? null;
    },
  };
}

/**
 * The value of the oldest record, of several at one instant the smallest; null without values. It
 * is of the type of its field: texts by the bytes of their UTF-8, whole numbers without loss.
 */
export const first = {
  kind: "first",
  input: "value",
  output: "value",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Scalar<F> & R, F>("first", { field }, options),
  exact: () => exact,
  tiled: () => tiled,
  naive(values, _, times) {
    const oldest = Math.min(...times);
    const at = values.filter((__, i) => times[i] === oldest);
    return at.length === 0 ? null : Math.min(...at) + 0;
  },
  ofValues,
  sql: ({ value, time, inside }) => `argMinIf(${value}, (${time}, ${value}), ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
