import type { ByteWriter } from "../../schemas/bytes.ts";
import {
  aggregateInputs,
  type FeatureOutput,
  type FeatureViewSpec,
  featureColumns,
  valueAt,
} from "../../schemas/feature-view.ts";
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
  readonly #outputs: readonly FeatureOutput[];
  readonly #algebras: readonly AnyAlgebra[];
  readonly #measureOf: readonly number[];

  constructor(view: FeatureViewSpec) {
    this.inputs = aggregateInputs(view.aggregates).inputs.length;
    this.windowMs = Float64Array.from(view.windows, ({ lengthMs }) => lengthMs);
    this.#outputs = featureColumns(view).map(({ aggregate }) => aggregate.output);
    this.columns = this.#outputs.length;
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

  /** Puts an event of `time`, whose inputs start at `at`, into one window. */
  update(
    states: readonly object[],
    window: number,
    inputs: Float64Array,
    at: number,
    time: number,
  ): void {
    let place = window * this.measures.length;
    for (const { algebra, input } of this.measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.update(states[place++] as object, value, time);
    }
  }

  /** Takes an event out of one window. */
  retract(
    states: readonly object[],
    window: number,
    inputs: Float64Array,
    at: number,
    time: number,
  ): void {
    let place = window * this.measures.length;
    for (const { algebra, input } of this.measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.retract(states[place++] as object, value, time);
    }
  }

  /** Writes what the columns say at q. */
  writeAt(q: number, values: Float64Array, writer: ByteWriter): void {
    for (let i = 0; i < values.length; i++) {
      writer.f64(valueAt(this.#outputs[i] as FeatureOutput, values[i] as number, q));
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
