import type { ViewDefinition } from "./view.ts";

export interface LookupDefinition {
  readonly view: ViewDefinition;
  readonly fields: readonly string[];
}

/** A look-up in a feature view that records with the fields of `R` can make. */
export interface Lookup<in R, out Column extends string> {
  readonly definition: LookupDefinition;
  /** Only a type: what the look-up reads of the triggering record. */
  readonly __reads?: (record: R) => void;
  /** Only a type: the columns that it answers with. */
  readonly __columns?: Column;
}
