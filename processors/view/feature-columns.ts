import type { ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import {
  aggregateInputs,
  type FeatureOutput,
  type FeatureViewSpec,
  numberColumns,
  partAggregates,
  valueAt,
} from "../../schemas/feature-view.ts";
import type { AnyAlgebra, AnyValueAlgebra } from "../aggregate/aggregate.ts";
import { aggregateKind } from "../aggregate/registry.ts";
import { type Measure, measuresOf } from "./measures.ts";
import { TileColumns } from "./tile-columns.ts";
import { type EventValues, ValueColumns, valueMeasures } from "./value-columns.ts";

/**
 * What the windows of a view keep, and how its columns come of it. Aggregates whose algebras keep
 * equal states over the same input share one (mean and sum; min, max and quantiles).
 */
export class FeatureColumns {
  /** Numbers of an event. */
  readonly inputs: number;
  readonly windowMs: Float64Array;
  /** Columns that hold doubles. */
  readonly columns: number;
  readonly measures: readonly Measure<AnyAlgebra>[];
  /** Events of a key up to which its windows are exact. */
  readonly exactLimit: number;
  /** The same columns over tiles. */
  readonly tiles: TileColumns;
  /** The columns and inputs that are no doubles. */
  readonly values: ValueColumns;
  readonly #outputs: readonly FeatureOutput[];
  readonly #algebras: readonly AnyAlgebra[];
  readonly #measureOf: readonly number[];
  /** The same of values: their states follow those of doubles. */
  readonly #valueMeasures: readonly Measure<AnyValueAlgebra>[];
  readonly #valueAlgebras: readonly AnyValueAlgebra[];
  readonly #valueMeasureOf: readonly number[];
  /** States of a window. */
  readonly #states: number;

  constructor(view: FeatureViewSpec) {
    const { numbers, values } = partAggregates(view.aggregates);
    this.inputs = aggregateInputs(numbers).inputs.length;
    this.windowMs = Float64Array.from(view.windows, ({ lengthMs }) => lengthMs);
    this.#outputs = numberColumns(view).map(({ aggregate }) => aggregate.output);
    this.columns = this.#outputs.length;
    const { measures, algebras, measureOf } = measuresOf(numbers, (spec) =>
      aggregateKind(spec.kind).exact(spec),
    );
    this.measures = measures;
    this.#algebras = algebras;
    this.#measureOf = measureOf;
    this.exactLimit = view.exactLimit;
    this.tiles = new TileColumns(view);
    this.values = new ValueColumns(view);
    const ofValues = valueMeasures(values, "exact");
    this.#valueMeasures = ofValues.measures;
    this.#valueAlgebras = ofValues.algebras;
    this.#valueMeasureOf = ofValues.measureOf;
    this.#states = measures.length + ofValues.measures.length;
  }

  /** Empty states: window by window, measure by measure. */
  prepare(): object[] {
    return Array.from(this.windowMs).flatMap(() => [
      ...this.measures.map(({ algebra }) => algebra.prepare()),
      ...this.#valueMeasures.map(({ algebra }) => algebra.prepare()),
    ]);
  }

  /** Puts an event of `time`, whose inputs start at `at`, into one window. */
  update(
    states: readonly object[],
    window: number,
    inputs: Float64Array,
    at: number,
    time: number,
    values: EventValues,
  ): void {
    let place = window * this.#states;
    for (const { algebra, input } of this.measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.update(states[place++] as object, value, time);
    }
    for (const { algebra, input } of this.#valueMeasures) {
      algebra.update(states[place++] as object, values[input] as Scalar, time);
    }
  }

  /** Takes an event out of one window. */
  retract(
    states: readonly object[],
    window: number,
    inputs: Float64Array,
    at: number,
    time: number,
    values: EventValues,
  ): void {
    let place = window * this.#states;
    for (const { algebra, input } of this.measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.retract(states[place++] as object, value, time);
    }
    for (const { algebra, input } of this.#valueMeasures) {
      algebra.retract(states[place++] as object, values[input] as Scalar, time);
    }
  }

  /** Writes what the columns say at q: the doubles, then the others. */
  writeAt(q: number, values: Float64Array, others: readonly Scalar[], writer: ByteWriter): void {
    this.writeNumbersAt(q, values, writer);
    this.values.writeColumns(others, writer);
  }

  /** Writes the doubles alone. */
  writeNumbersAt(q: number, values: Float64Array, writer: ByteWriter): void {
    for (let i = 0; i < values.length; i++) {
      writer.f64(valueAt(this.#outputs[i] as FeatureOutput, values[i] as number, q));
    }
  }

  /** Computes the columns of one window. */
  finalize(
    states: readonly object[],
    window: number,
    values: Float64Array,
    others: Scalar[],
  ): void {
    const first = window * this.#states;
    const windows = this.windowMs.length;
    for (let aggregate = 0; aggregate < this.#algebras.length; aggregate++) {
      const algebra = this.#algebras[aggregate] as AnyAlgebra;
      const state = states[first + (this.#measureOf[aggregate] as number)] as object;
      values[aggregate * windows + window] = algebra.finalize(state);
    }
    const second = first + this.measures.length;
    for (let aggregate = 0; aggregate < this.#valueAlgebras.length; aggregate++) {
      const algebra = this.#valueAlgebras[aggregate] as AnyValueAlgebra;
      const state = states[second + (this.#valueMeasureOf[aggregate] as number)] as object;
      others[aggregate * windows + window] = algebra.finalize(state);
    }
  }
}
