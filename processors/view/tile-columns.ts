import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { AnyTileAlgebra } from "../aggregate/aggregate.ts";
import { aggregateKind } from "../aggregate/registry.ts";
import { type Measure, measuresOf } from "./measures.ts";

/** What the tiles of a view keep, and the windows over them. States come measure by measure. */
export class TileColumns {
  readonly #measures: readonly Measure<AnyTileAlgebra>[];
  readonly #algebras: readonly AnyTileAlgebra[];
  readonly #measureOf: readonly number[];
  readonly #windows: number;

  constructor(view: FeatureViewSpec) {
    const { measures, algebras, measureOf } = measuresOf(view, (spec) =>
      aggregateKind(spec.kind).tiled(spec),
    );
    this.#measures = measures;
    this.#algebras = algebras;
    this.#measureOf = measureOf;
    this.#windows = view.windows.length;
  }

  /** Empty states of a tile or of a window. */
  prepare(): object[] {
    return this.#measures.map(({ algebra }) => algebra.prepare());
  }

  /** Puts in an event of `time`, whose inputs start at `at`. */
  update(states: readonly object[], inputs: Float64Array, at: number, time: number): void {
    let place = 0;
    for (const { algebra, input } of this.#measures) {
      const value = input < 0 ? 1 : (inputs[at + input] as number);
      algebra.update(states[place++] as object, value, time);
    }
  }

  merge(states: readonly object[], part: readonly object[]): void {
    let place = 0;
    for (const { algebra } of this.#measures) {
      algebra.merge(states[place] as object, part[place++] as object);
    }
  }

  /** Takes a part out; marks in `torn` the states that must be merged anew: true when there are. */
  remove(states: readonly object[], part: readonly object[], torn: Uint8Array): boolean {
    let isTorn = false;
    let place = 0;
    for (const { algebra } of this.#measures) {
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
    return new Uint8Array(this.#measures.length);
  }

  /** Empties the marked states; `mergeTorn` brings the remaining parts back. */
  emptyTorn(states: object[], torn: Uint8Array): void {
    let place = 0;
    for (const { algebra } of this.#measures) {
      if (torn[place] === 1) states[place] = algebra.prepare();
      place++;
    }
  }

  mergeTorn(states: readonly object[], part: readonly object[], torn: Uint8Array): void {
    let place = 0;
    for (const { algebra } of this.#measures) {
      if (torn[place] === 1) algebra.merge(states[place] as object, part[place] as object);
      place++;
    }
  }

  /** Computes the columns of one window from its states. */
  finalize(states: readonly object[], window: number, values: Float64Array): void {
    for (let aggregate = 0; aggregate < this.#algebras.length; aggregate++) {
      const algebra = this.#algebras[aggregate] as AnyTileAlgebra;
      const state = states[this.#measureOf[aggregate] as number] as object;
      values[aggregate * this.#windows + window] = algebra.finalize(state);
    }
  }

  write(states: readonly object[], writer: ByteWriter): void {
    let place = 0;
    for (const { algebra } of this.#measures) algebra.write(states[place++] as object, writer);
  }

  read(reader: ByteReader): object[] {
    return this.#measures.map(({ algebra }) => algebra.read(reader));
  }
}
