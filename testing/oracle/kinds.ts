import type { StepKind, StepSpec, StepSpecs } from "../../schemas/plan.ts";
import { dedup } from "./dedup.ts";
import { label } from "./label.ts";
import { scoring } from "./scoring.ts";
import type { StepOracle } from "./step-oracle.ts";
import { view } from "./view.ts";

/** One line a kind; null: it yields nothing that the oracle compares. */
const oracles: { readonly [K in StepKind]: StepOracle<StepSpecs[K]> | null } = {
  dedup,
  label,
  scoring,
  // What they yield hangs on models, which tests of their own give them.
  training: null,
  view,
  watch: null,
};

/** The oracle of a step; null: it needs none. */
export function oracleOf({ kind }: StepSpec): StepOracle<unknown> | null {
  // The kind says what its specs are, which the types cannot follow through the table.
  return oracles[kind] as StepOracle<unknown> | null;
}
