import type { ViewDefinition } from "./view.ts";

export interface LookupDefinition {
  readonly view: ViewDefinition;
  readonly fields: readonly string[];
}

/** A look-up in a feature view that records with the fields of `R` can make. */
export interface Lookup<in R, out Column extends string, out Text extends string = string> {
  readonly definition: LookupDefinition;
  /** Only a type: what the look-up reads of the triggering record. */
  readonly __reads?: (record: R) => void;
  /** Only a type: the columns that it answers with, but for texts. */
  readonly __columns?: Column;
  /** Only a type: the texts that it answers with. */
  readonly __texts?: Text;
}
