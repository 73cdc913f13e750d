import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

interface LastState {
  values: number;
  /** Of the last value; −Infinity and NaN without any. */
  time: number;
  value: number;
}

/** Of values of one instant the largest is the last, so that the order of arrival does not show. */
function take(state: LastState, values: number, time: number, value: number): void {
  state.values += values;
  if (time < state.time || (time === state.time && value <= state.value)) return;
  state.time = time;
  state.value = value + 0;
}

/** Takes out what is older than all that stays, so that the last stays until all is out. */
function takeOut(state: LastState, values: number): void {
  state.values -= values;
  if (state.values > 0) return;
  state.time = Number.NEGATIVE_INFINITY;
  state.value = Number.NaN;
}

const exact: Algebra<LastState> = {
  stateName: "last",
  prepare: () => ({ values: 0, time: Number.NEGATIVE_INFINITY, value: Number.NaN }),
  update(state, value, time) {
    if (!Number.isNaN(value)) take(state, 1, time, value);
  },
  retract(state, value) {
    if (!Number.isNaN(value)) takeOut(state, 1);
  },
  finalize: (state) => state.value,
};

const tiled: TileAlgebra<LastState> = {
  ...exact,
  merge(state, other) {
    if (other.values > 0) take(state, other.values, other.time, other.value);
  },
  remove(state, part) {
    takeOut(state, part.values);
    return true;
  },
  write(state, writer) {
    writer.f64(state.values);
    writer.f64(state.time);
    writer.f64(state.value);
  },
  read: (reader) => ({ values: reader.f64(), time: reader.f64(), value: reader.f64() }),
};

/** The value of the newest record, of several at one instant the largest; null without values. */
export const last = {
  kind: "last",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("last", { field }, options),
  exact: () => exact,
  tiled: () => tiled,
  naive(values, _, times) {
    const newest = Math.max(...times);
    const at = values.filter((__, i) => times[i] === newest);
    return at.length === 0 ? null : Math.max(...at) + 0;
  },
  sql: ({ value, time, inside }) => `argMaxIf(${value}, (${time}, ${value}), ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
