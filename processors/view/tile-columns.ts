import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import { type FeatureViewSpec, partAggregates } from "../../schemas/feature-view.ts";
import type { AnyTileAlgebra, AnyValueTileAlgebra } from "../aggregate/aggregate.ts";
import { aggregateKind } from "../aggregate/registry.ts";
import { type Measure, measuresOf } from "./measures.ts";
import { type EventValues, valueMeasures } from "./value-columns.ts";

/** What a state is put together with and written by, whatever its values are. */
type AnyTiles = Pick<AnyTileAlgebra, "prepare" | "merge" | "remove" | "write" | "read">;

/**
 * What the tiles of a view keep, and the windows over them. States come measure by measure, those
 * of doubles first.
 */
export class TileColumns {
  readonly #measures: readonly Measure<AnyTileAlgebra>[];
  readonly #algebras: readonly AnyTileAlgebra[];
  readonly #measureOf: readonly number[];
  readonly #values: readonly Measure<AnyValueTileAlgebra>[];
  readonly #valueAlgebras: readonly AnyValueTileAlgebra[];
  readonly #valueMeasureOf: readonly number[];
  /** Of all measures. */
  readonly #all: readonly AnyTiles[];
  readonly #windows: number;

  constructor(view: FeatureViewSpec) {
    const { numbers, values } = partAggregates(view.aggregates);
    const { measures, algebras, measureOf } = measuresOf(numbers, (spec) =>
      aggregateKind(spec.kind).tiled(spec),
    );
    this.#measures = measures;
    this.#algebras = algebras;
    this.#measureOf = measureOf;
    const ofValues = valueMeasures(values, "tiled");
    this.#values = ofValues.measures;
    this.#valueAlgebras = ofValues.algebras;
    this.#valueMeasureOf = ofValues.measureOf;
    this.#all = [...measures, ...ofValues.measures].map(({ algebra }) => algebra);
    this.#windows = view.windows.length;
  }

  /** Empty states of a tile or of a window. */
  prepare(): object[] {
    return this.#all.map((algebra) => algebra.prepare());
  }

  /** Puts in an event of `time`, whose inputs start at `at`. */
  update(
    states: readonly object[],
    inputs: Float64Array,
    at: number,
    time: number,
    values: EventValues,
  ): void {
    let place = 0;
    for (const { algebra, input } of this.#measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.update(states[place++] as object, value, time);
    }
    for (const { algebra, input } of this.#values) {
      algebra.update(states[place++] as object, values[input] as Scalar, time);
    }
  }

  merge(states: readonly object[], part: readonly object[]): void {
    let place = 0;
    for (const algebra of this.#all) {
      algebra.merge(states[place] as object, part[place++] as object);
    }
  }

  /** Takes a part out; marks in `torn` the states that must be merged anew: true when there are. */
  remove(states: readonly object[], part: readonly object[], torn: Uint8Array): boolean {
    let isTorn = false;
    let place = 0;
    for (const algebra of this.#all) {
      if (!algebra.remove(states[place] as object, part[place] as object)) {
        torn[place] = 1;
        isTorn = true;
      }
      place++;
    }
    return isTorn;
  }

  /** The marks of `remove`: one a measure. */
  noneTorn(): Uint8Array {
    return new Uint8Array(this.#all.length);
  }

  /** Empties the marked states; `mergeTorn` brings the remaining parts back. */
  emptyTorn(states: object[], torn: Uint8Array): void {
    let place = 0;
    for (const algebra of this.#all) {
      if (torn[place] === 1) states[place] = algebra.prepare();
      place++;
    }
  }

  mergeTorn(states: readonly object[], part: readonly object[], torn: Uint8Array): void {
    let place = 0;
    for (const algebra of this.#all) {
      if (torn[place] === 1) algebra.merge(states[place] as object, part[place] as object);
      place++;
    }
  }

  /** Computes the columns of one window from its states. */
  finalize(
    states: readonly object[],
    window: number,
    values: Float64Array,
    others: Scalar[],
  ): void {
    for (let aggregate = 0; aggregate < this.#algebras.length; aggregate++) {
      const algebra = this.#algebras[aggregate] as AnyTileAlgebra;
      const state = states[this.#measureOf[aggregate] as number] as object;
      values[aggregate * this.#windows + window] = algebra.finalize(state);
    }
    const first = this.#measures.length;
    for (let aggregate = 0; aggregate < this.#valueAlgebras.length; aggregate++) {
      const algebra = this.#valueAlgebras[aggregate] as AnyValueTileAlgebra;
      const state = states[first + (this.#valueMeasureOf[aggregate] as number)] as object;
      others[aggregate * this.#windows + window] = algebra.finalize(state);
    }
  }

  write(states: readonly object[], writer: ByteWriter): void {
    let place = 0;
    for (const algebra of this.#all) algebra.write(states[place++] as object, writer);
  }

  read(reader: ByteReader): object[] {
    return this.#all.map((algebra) => algebra.read(reader));
  }
}
