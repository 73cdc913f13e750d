import { aggregateInputs, type FeatureViewSpec } from "../../schemas/feature-view.ts";
import { type AnyAlgebra, algebraOf } from "../aggregate/registry.ts";

/** One state that a window keeps: an algebra over one input. */
interface Measure {
  readonly algebra: AnyAlgebra;
  /** Index among the inputs of an event; −1: none is needed. */
  readonly input: number;
}

/**
 * What the windows of a view keep, and how its columns come of it. Aggregates whose algebras keep
 * equal states over the same input share one (mean and sum; min, max and quantiles).
 */
export class FeatureColumns {
  /** Numbers of an event. */
  readonly inputs: number;
  readonly windowMs: Float64Array;
  readonly columns: number;
  readonly measures: readonly Measure[];
  readonly #algebras: readonly AnyAlgebra[];
  readonly #measureOf: readonly number[];

  constructor(view: FeatureViewSpec) {
    const { inputs, indexOf } = aggregateInputs(view.aggregates);
    this.inputs = inputs.length;
    this.windowMs = Float64Array.from(view.windows, ({ lengthMs }) => lengthMs);
    this.columns = view.aggregates.length * view.windows.length;
    this.#algebras = view.aggregates.map(algebraOf);
    const measures: Measure[] = [];
    this.#measureOf = this.#algebras.map((algebra, aggregate) => {
      const input = indexOf[aggregate] as number;
      const shared = measures.findIndex(
        (each) => each.input === input && each.algebra.stateName === algebra.stateName,
      );
      return shared >= 0 ? shared : measures.push({ algebra, input }) - 1;
    });
    this.measures = measures;
  }

  /** Empty states: window by window, measure by measure. */
  prepare(): object[] {
    return Array.from(this.windowMs).flatMap(() =>
      this.measures.map(({ algebra }) => algebra.prepare()),
    );
  }

  /** Puts an event's inputs, which start at `at`, into one window. */
  update(states: readonly object[], window: number, inputs: Float64Array, at: number): void {
    let place = window * this.measures.length;
    for (const { algebra, input } of this.measures) {
      algebra.update(states[place++] as object, input < 0 ? 0 : (inputs[at + input] as number));
    }
  }

  /** Takes an event out of one window. */
  retract(states: readonly object[], window: number, inputs: Float64Array, at: number): void {
    let place = window * this.measures.length;
    for (const { algebra, input } of this.measures) {
      algebra.retract(states[place++] as object, input < 0 ? 0 : (inputs[at + input] as number));
    }
  }

  /** Computes the columns of one window. */
  finalize(states: readonly object[], window: number, values: Float64Array): void {
    const first = window * this.measures.length;
    const windows = this.windowMs.length;
    for (let aggregate = 0; aggregate < this.#algebras.length; aggregate++) {
      const algebra = this.#algebras[aggregate] as AnyAlgebra;
      const state = states[first + (this.#measureOf[aggregate] as number)] as object;
      values[aggregate * windows + window] = algebra.finalize(state);
    }
  }
}
