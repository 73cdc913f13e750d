import type { AggregateSpec } from "../../schemas/feature-view.ts";
import type { Algebra } from "./algebra.ts";
import { count } from "./count.ts";
import { max } from "./max.ts";
import { mean } from "./mean.ts";
import { min } from "./min.ts";
import { quantile } from "./quantile.ts";
import { share } from "./share.ts";
import { stddev } from "./stddev.ts";
import { sum } from "./sum.ts";

/** An algebra whose state is known to itself alone: give it only states of its `stateName`. */
export type AnyAlgebra = Algebra<object>;

/** The algebra that computes an aggregate. */
export function algebraOf(spec: Pick<AggregateSpec, "kind" | "probability">): AnyAlgebra {
  switch (spec.kind) {
    case "count":
      return count;
    case "sum":
      return sum;
    case "mean":
      return mean;
    case "share":
      return share;
    case "min":
      return min;
    case "max":
      return max;
    case "stddev":
      return stddev;
    case "quantile":
      return quantile(spec.probability ?? 0.5);
  }
}
