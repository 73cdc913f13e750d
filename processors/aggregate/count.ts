import type { Algebra } from "./algebra.ts";

export interface CountState {
  records: number;
}

/** Records in the window, whatever their values; 0 when there is none. */
export const count: Algebra<CountState> = {
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
