import type { StepKind, StepSpec, StepSpecs } from "../../schemas/plan.ts";
import * as kinds from "./kinds.ts";
import type { StepOracle } from "./step-oracle.ts";

/** A kind without one yields what hangs on models, which tests of its own give it. */
const oracles: { readonly [K in StepKind]?: StepOracle<StepSpecs[K]> } = kinds;

/** The oracle of a step; null: it has none. */
export function oracleOf({ kind }: StepSpec): StepOracle<unknown> | null {
  // The kind says what its specs are, which the types cannot follow through the table.
  return (oracles[kind] as StepOracle<unknown> | undefined) ?? null;
}
