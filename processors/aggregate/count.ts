import { type AggregateKind, type AggregateOptions, define } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

interface CountState {
  records: number;
}

const exact: Algebra<CountState> = {
  stateName: "count",
  prepare: () => ({ records: 0 }),
  update(state, value) {
    if (!Number.isNaN(value)) state.records++;
  },
  retract(state, value) {
    if (!Number.isNaN(value)) state.records--;
  },
  finalize: (state) => state.records,
};

const tiled: TileAlgebra<CountState> = {
  ...exact,
  merge(state, other) {
    state.records += other.records;
  },
  remove(state, part) {
    state.records -= part.records;
    return true;
  },
  write(state, writer) {
    writer.f64(state.records);
  },
  read: (reader) => ({ records: reader.f64() }),
};

/** Records in the window; 0 when there is none. */
export const count = {
  kind: "count",
  input: "record",
  output: "count",
  define: <R = unknown>(options?: AggregateOptions<R>) => define<R>("count", {}, options),
  exact: () => exact,
  tiled: () => tiled,
  naive: (values) => values.length,
  sql: ({ inside }) => `toFloat64(countIf(${inside}))`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
