import { type AggregateKind, type AggregateOptions, define } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

interface SinceState {
  records: number;
  /** Time of the newest, −Infinity without any. */
  newest: number;
}

/** Takes out what is older than all that stays, so that the newest stays until all is out. */
function takeOut(state: SinceState, records: number): void {
  state.records -= records;
  if (state.records === 0) state.newest = Number.NEGATIVE_INFINITY;
}

const exact: Algebra<SinceState> = {
  stateName: "since",
  prepare: () => ({ records: 0, newest: Number.NEGATIVE_INFINITY }),
  update(state, value, time) {
    if (Number.isNaN(value)) return;
    state.records++;
    if (time > state.newest) state.newest = time;
  },
  retract(state, value) {
    if (!Number.isNaN(value)) takeOut(state, 1);
  },
  finalize: (state) => (state.records === 0 ? Number.NaN : state.newest),
};

const tiled: TileAlgebra<SinceState> = {
  ...exact,
  merge(state, other) {
    state.records += other.records;
    if (other.newest > state.newest) state.newest = other.newest;
  },
  remove(state, part) {
    takeOut(state, part.records);
    return true;
  },
  write(state, writer) {
    writer.f64(state.records);
    writer.f64(state.newest);
  },
  read: (reader) => ({ records: reader.f64(), newest: reader.f64() }),
};

/**
 * Milliseconds since the newest record in the window; null without any. A row holds the instant of
 * that record, and what is read at q is the time from there to q.
 */
export const sinceLast = {
  kind: "sinceLast",
  input: "record",
  output: "since",
  define: <R = unknown>(options?: AggregateOptions<R>) => define<R>("sinceLast", {}, options),
  exact: () => exact,
  tiled: () => tiled,
  naive: (_, __, times) => (times.length === 0 ? null : Math.max(...times)),
  sql: ({ time, inside }) => `maxIf(${time}, ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
