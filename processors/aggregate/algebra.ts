/**
 * One aggregate as an algebra over the records of a window. `finalize` depends on nothing but the
 * values in the window and their times: neither the order in which they came nor what was taken out
 * before shows in the result.
 *
 * Values are numbers, NaN for null and for a record that `where` leaves out: every aggregate skips
 * it. The value of a window without values is NaN (null), of counts 0. Where values are no doubles,
 * null stands in the place of NaN.
 */
export interface Algebra<State, Value = number> {
  /** Algebras of the same name keep equal states over the same input and share one. */
  readonly stateName: string;
  /** State of a window without records. */
  prepare(): State;
  /** @param time - event time, UTC ms. */
  update(state: State, value: Value, time: number): void;
  /**
   * Takes out a value that was put in before. Values leave in the order of their times: nothing
   * that stays is older.
   */
  retract(state: State, value: Value, time: number): void;
  finalize(state: State): Value;
}
