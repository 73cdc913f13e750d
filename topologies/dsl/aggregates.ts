import { aggregateKinds } from "../../processors/aggregate/registry.ts";
import { freezeDeeply } from "./freeze.ts";

export type { Aggregate } from "../../processors/aggregate/aggregate.ts";

type Kinds = typeof aggregateKinds;

/**
 * The aggregates: see the file of each in `processors/aggregate`. Null fields are skipped; over no
 * value each of them is null, but for `count`, which is 0.
 */
export const agg = Object.freeze(
  Object.fromEntries(
    Object.values(aggregateKinds).map(({ kind, define }) => [kind, frozen(define)]),
  ),
) as { readonly [K in keyof Kinds]: Kinds[K]["define"] };

function frozen(define: (...given: never[]) => object): (...given: never[]) => object {
  return (...given) => freezeDeeply(define(...given));
}
