/**
 * One aggregate as an algebra over the records of a window. `update` and `retract` are inverse to
 * each other, `merge` is associative and commutative, and `finalize` depends on nothing but the
 * multiset of values: neither their order nor what was retracted before shows in the result.
 *
 * Values are numbers, NaN for null, which every aggregate but `count` skips. The value of a window
 * without values is NaN (null), of `count` 0.
 */
export interface Algebra<State> {
  /** Algebras of the same name keep equal states over the same input and share one. */
  readonly stateName: string;
  /** State of a window without records. */
  prepare(): State;
  update(state: State, value: number): void;
  /** Takes out a value that was put in before. */
  retract(state: State, value: number): void;
  /** Adds the records of `other`, which stays as it is. */
  merge(state: State, other: State): void;
  finalize(state: State): number;
}
