import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { RowField, RowLayout } from "../../schemas/row-layout.ts";
import type { Expression } from "../../schemas/transforms/select.ts";
import { layoutThrough, type TransformSpec } from "../../schemas/transforms/through.ts";
import { quoteName } from "../../sinks/sql-text.ts";
import { conditionSql, fieldsOfCondition, isPlain } from "./condition-sql.ts";
import { event } from "./expected-sql.ts";

/** What becomes of events that go through stateless steps in order, as SQL over their SELECT. */
export function throughSql(specs: readonly TransformSpec[], events: string): string {
  return specs.reduce((before, spec) => stepSql(spec, before), events);
}

function stepSql(spec: TransformSpec, before: string): string {
  switch (spec.kind) {
    case "where":
      return `SELECT * FROM (${before}) WHERE ${conditionSql(spec.condition, "")}`;
    case "select": {
      const made = spec.fields.map(
        ({ name, value }) => `${expressionSql(value)} AS ${quoteName(name)}`,
      );
      // What is made may have the name of what it is made of: that is read as `before.name`.
      return `SELECT ${[...Object.values(event), ...made].join(", ")} FROM (${before}) AS before`;
    }
  }
}

function expressionSql(value: Expression): string {
  switch (value.op) {
    case "field":
      return `before.${quoteName(value.field)}`;
    case "upper":
    case "lower":
      return `${value.op}UTF8(before.${quoteName(value.field)})`;
    case "truth":
      return `CAST(${conditionSql(value.condition, "before.")}, 'Nullable(Bool)')`;
  }
}

/**
 * Whether SQL can compute a view from the records of its source. It cannot where a condition is not
 * plain, where a list is read, or where a double is part of the key, whose text is another there.
 */
export function isRecomputable(
  view: Pick<FeatureViewSpec, "aggregates" | "keyFields" | "through">,
  source: RowLayout,
): boolean {
  const { aggregates, keyFields, through = [] } = view;
  let isSaid = true;
  const records = layoutThrough(through, source, {
    condition: (condition, before) => {
      isSaid &&= isPlain(condition, before);
    },
    problem: () => {},
  });
  const names = fieldsRead(view);
  const isList = ({ name, type }: RowField) => names.has(name) && typeof type !== "string";
  const isDouble = ({ name, type }: RowField) => keyFields.includes(name) && type === "number";
  return (
    isSaid &&
    !source.fields.some(isList) &&
    !records.fields.some(isDouble) &&
    aggregates.every((each) => isPlain(each.condition, records) && isPlain(each.where, records))
  );
}

/** Fields of the source that a view reads, directly or by what its records go through. */
export function fieldsRead(
  view: Pick<FeatureViewSpec, "aggregates" | "keyFields" | "through">,
): ReadonlySet<string> {
  const { keyFields, aggregates, through = [] } = view;
  const own = aggregates.flatMap(({ field, condition, where }) => [
    ...(field === undefined ? [] : [field]),
    ...fieldsOfCondition(condition),
    ...fieldsOfCondition(where),
  ]);
  // Names that steps make are no fields of the source, or are by chance: then one too many is read.
  const before = through.flatMap((spec) =>
    spec.kind === "where"
      ? fieldsOfCondition(spec.condition)
      : spec.fields.flatMap(({ value }) =>
          value.op === "truth" ? fieldsOfCondition(value.condition) : [value.field],
        ),
  );
  return new Set([...keyFields, ...own, ...before]);
}
