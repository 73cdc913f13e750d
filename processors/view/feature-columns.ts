import { aggregateInputs, type FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { AnyAlgebra } from "../aggregate/aggregate.ts";
import { aggregateKind } from "../aggregate/registry.ts";
import { type Measure, measuresOf } from "./measures.ts";
import { TileColumns } from "./tile-columns.ts";

/**
 * What the windows of a view keep, and how its columns come of it. Aggregates whose algebras keep
 * equal states over the same input share one (mean and sum; min, max and quantiles).
 */
export class FeatureColumns {
  /** Numbers of an event. */
  readonly inputs: number;
  readonly windowMs: Float64Array;
  readonly columns: number;
  readonly measures: readonly Measure<AnyAlgebra>[];
  /** Events of a key up to which its windows are exact. */
  readonly exactLimit: number;
  /** The same columns over tiles. */
  readonly tiles: TileColumns;
  readonly #algebras: readonly AnyAlgebra[];
  readonly #measureOf: readonly number[];

  constructor(view: FeatureViewSpec) {
    this.inputs = aggregateInputs(view.aggregates).inputs.length;
    this.windowMs = Float64Array.from(view.windows, ({ lengthMs }) => lengthMs);
    this.columns = view.aggregates.length * view.windows.length;
    const { measures, algebras, measureOf } = measuresOf(view, (spec) =>
      aggregateKind(spec.kind).exact(spec),
    );
    this.measures = measures;
    this.#algebras = algebras;
    this.#measureOf = measureOf;
    this.exactLimit = view.exactLimit;
    this.tiles = new TileColumns(view);
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
