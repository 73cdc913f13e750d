import type { Aggregate, AggregateKind } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

interface CountState {
  records: number;
}

const exact: Algebra<CountState> = {
  stateName: "count",
  prepare: () => ({ records: 0 }),
  update(state) {
    state.records++;
  },
  retract(state) {
    state.records--;
  },
  merge(state, other) {
    state.records += other.records;
  },
  finalize: (state) => state.records,
};

const tiled: TileAlgebra<CountState> = {
  ...exact,
  remove(state, part) {
    state.records -= part.records;
    return true;
  },
  write(state, writer) {
    writer.f64(state.records);
  },
  read: (reader) => ({ records: reader.f64() }),
};

/** Records in the window, whatever their values; 0 when there is none. */
export const count = {
  kind: "count",
  input: "record",
  output: "count",
  define: (): Aggregate<unknown> => ({ definition: { kind: "count" } }),
  exact: () => exact,
  tiled: () => tiled,
  naive: (values) => values.length,
  sql: ({ inside }) => `toFloat64(countIf(${inside}))`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
