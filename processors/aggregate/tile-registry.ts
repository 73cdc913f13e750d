import type { AggregateSpec } from "../../schemas/feature-view.ts";
import { count } from "./count.ts";
import { maxOfTiles, minOfTiles } from "./extremes.ts";
import { mean } from "./mean.ts";
import { share } from "./share.ts";
import { SquaresState, stddev } from "./stddev.ts";
import { sum } from "./sum.ts";
import { SumState } from "./sum-state.ts";
import type { TileAlgebra } from "./tile-algebra.ts";
import { quantileOfTiles } from "./value-summary.ts";

/** A tile algebra whose state is known to itself alone. */
export type AnyTileAlgebra = TileAlgebra<object>;

const tiledCount: TileAlgebra<{ records: number }> = {
  ...count,
  remove(state, part) {
    state.records -= part.records;
    return true;
  },
  write(state, writer) {
    writer.f64(state.records);
  },
  read: (reader) => ({ records: reader.f64() }),
};

const tiledSumState = {
  remove(state: SumState, part: SumState) {
    state.remove(part);
    return true;
  },
  write: SumState.write,
  read: SumState.read,
};

const tiledSquares: TileAlgebra<SquaresState> = {
  ...stddev,
  remove(state, part) {
    state.remove(part);
    return true;
  },
  write: SquaresState.write,
  read: SquaresState.read,
};

/** The algebra that computes an aggregate from tiles: all are exact but quantiles. */
export function tileAlgebraOf(spec: Pick<AggregateSpec, "kind" | "probability">): AnyTileAlgebra {
  switch (spec.kind) {
    case "count":
      return tiledCount;
    case "sum":
      return { ...sum, ...tiledSumState };
    case "mean":
      return { ...mean, ...tiledSumState };
    case "share":
      return { ...share, ...tiledSumState };
    case "min":
      return minOfTiles;
    case "max":
      return maxOfTiles;
    case "stddev":
      return tiledSquares;
    case "quantile":
      return quantileOfTiles(spec.probability ?? 0.5);
  }
}
