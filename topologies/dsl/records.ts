import type { Test } from "./conditions.ts";
import { type DedupOptions, deduped } from "./dedup.ts";
import type { StreamDefinition } from "./definitions.ts";
import type { KeyField, PartitionField, ValuesOf } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import { type Selected, type Selection, selection, transformed } from "./select.ts";
import { type Keyed, keyed } from "./view.ts";

/** Records that a step yields, on their way to features: the verbs are those of a stream. */
export interface Records<T> {
  /** Only records for which the test holds; where it is unknown they are left out, and counted. */
  where(test: Test<T>): Records<T>;
  /**
   * Records of these fields alone: a field, its text in upper or lower case, or the truth of a
   * test.
   */
  select<const S extends Selection<T>>(fields: S): Records<Selected<T, S>>;
  /**
   * Only the first record of each value within `within` of event time, e.g. one prediction a card
   * and hour. Records go by the field to the tasks that remember the values.
   */
  dedupedBy(field: PartitionField<T>, options: DedupOptions): Records<T>;
  /** Groups records by the values of one or more fields, the entity key of features. */
  keyedBy<const K extends readonly [KeyField<T>, ...KeyField<T>[]]>(
    ...fields: K
  ): Keyed<T, ValuesOf<T, K>>;
}

/** The verbs over the records of a step. */
export function records<T>(source: StreamDefinition): Records<T> {
  return freezeDeeply({
    where: ({ condition }) => records(transformed(source, { kind: "where", condition })),
    select: (fields) => records(transformed(source, selection(fields))),
    dedupedBy: (field, options) => records(deduped(source, field, options)),
    keyedBy: (...fields) => keyed(source, fields),
  });
}
