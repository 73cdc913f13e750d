import { conditionGap, fieldsOfCondition, firstGap } from "../../schemas/condition-sql.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { RowField, RowLayout } from "../../schemas/row-layout.ts";
import { layoutThrough, readThrough, sqlGap } from "../../schemas/transforms/through.ts";

type ViewReads = Pick<FeatureViewSpec, "aggregates" | "keyFields" | "through">;

/**
 * Why SQL cannot compute a view from the records of its source: it cannot say what they go through
 * or a condition, a list is read, or a double is part of the key, whose text is another there. Null
 * where it can.
 */
export function recomputeGap(view: ViewReads, source: RowLayout): string | null {
  const { aggregates, keyFields, through = [] } = view;
  const records = layoutThrough(through, source);
  const names = fieldsRead(view);
  const isList = ({ name, type }: RowField) => names.has(name) && typeof type !== "string";
  const isDouble = ({ name, type }: RowField) => keyFields.includes(name) && type === "number";
  const list = source.fields.find(isList);
  const double = records.fields.find(isDouble);
  const conditions = aggregates.flatMap(({ condition, where }) => [condition, where]);
  return firstGap([
    sqlGap(through, source),
    list === undefined ? null : `${list.name} is a list`,
    double === undefined ? null : `the key ${double.name} is a double`,
    ...conditions.map((each) => (each === undefined ? null : conditionGap(each, records))),
  ]);
}

/** Fields of the source that a view reads, directly or by what its records go through. */
export function fieldsRead({
  keyFields,
  aggregates,
  through = [],
}: ViewReads): ReadonlySet<string> {
  const own = aggregates.flatMap(({ field, condition, where }) => [
    ...(field === undefined ? [] : [field]),
    ...(condition === undefined ? [] : fieldsOfCondition(condition)),
    ...(where === undefined ? [] : fieldsOfCondition(where)),
  ]);
  // Names that steps make are no fields of the source, or are by chance: then one too many is read.
  return new Set([...keyFields, ...own, ...readThrough(through)]);
}
