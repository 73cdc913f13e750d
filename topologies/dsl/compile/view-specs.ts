import type { AggregateDefinition } from "../../../processors/aggregate/aggregate.ts";
import { aggregateKind } from "../../../processors/aggregate/registry.ts";
import {
  type AggregateSpec,
  type FeatureViewSpec,
  featureColumns,
  snakeCase,
  viewId,
  type WindowSpec,
} from "../../../schemas/feature-view.ts";
import type { ViewDefinition } from "../definitions.ts";
import { avroField, isNumeric, scalarKind } from "./avro-field.ts";
import { checkCondition } from "./conditions.ts";
import { checkIdentifier, parseViewName, reservedRowColumns } from "./names.ts";
import type { Problems } from "./problems.ts";

/** Raw events kept a key before tiles serve it, unless the view says otherwise. */
const exactLimitDefault = 4096;
/** A view's row has this many features at most: n of a row is 16 bits, tables want fewer. */
export const featuresMax = 1_000;

/** Views in the order given, which is that of their ids. */
export function viewSpecs(
  problems: Problems,
  definitions: readonly ViewDefinition[],
): FeatureViewSpec[] {
  const specs = new Map<string, FeatureViewSpec>();
  for (const definition of definitions) {
    const spec = viewSpec(problems, definition);
    const other = specs.get(definition.id);
    if (other === undefined) specs.set(viewId(spec), spec);
    else {
      problems.check(
        JSON.stringify(other) === JSON.stringify(spec),
        `view "${definition.id}"`,
        "is defined twice with different features: give one of them another name or version",
      );
    }
  }
  return [...specs.values()];
}

function viewSpec(problems: Problems, definition: ViewDefinition): FeatureViewSpec {
  const where = `view "${definition.id}"`;
  const { name, version } = parseViewName(problems, definition.id);
  checkKeyFields(problems, where, definition);
  const aggregates = Object.entries(definition.aggregates).map(([label, aggregate]) =>
    aggregateSpec(problems, where, label, aggregate, definition),
  );
  const windows = windowSpecs(problems, where, definition.windows);
  checkColumns(problems, where, definition.keyFields, aggregates, windows);
  const ttlMs = problems.duration(where, "ttl", definition.ttl);
  const longest = windows.at(-1);
  if (longest !== undefined && longest.lengthMs > ttlMs) {
    problems.add(
      where,
      `ttl "${definition.ttl}" is shorter than its window "${longest.label}": rows would expire ` +
        "while they are still true",
    );
  }
  const exactLimit = definition.exactLimit ?? exactLimitDefault;
  problems.whole(where, "exactLimit", exactLimit, 1);
  const roles = definition.roles.map(({ role }) => role);
  problems.check(roles.length > 0, where, "into() names no store");
  problems.check(new Set(roles).size === roles.length, where, "into() names a store twice");
  return {
    name,
    version,
    source: definition.source.topic,
    keyFields: definition.keyFields,
    aggregates,
    windows,
    ttlMs,
    exactLimit,
    stores: (["online", "offline"] as const).filter((role) => roles.includes(role)),
  };
}

function checkKeyFields(problems: Problems, where: string, definition: ViewDefinition): void {
  const { keyFields, source } = definition;
  problems.check(keyFields.length > 0, where, "keyedBy() names no field");
  problems.check(
    new Set(keyFields).size === keyFields.length,
    where,
    "keyedBy() names a field twice",
  );
  for (const name of keyFields) {
    const field = avroField(source.schema, name);
    problems.check(
      field !== null && !field.nullable && scalarKind(field) !== null,
      where,
      `keyedBy("${name}") needs a field of ${source.schema.name} that is text, a number or a ` +
        "boolean, and never null",
    );
  }
}

function aggregateSpec(
  problems: Problems,
  where: string,
  name: string,
  aggregate: AggregateDefinition,
  { source }: ViewDefinition,
): AggregateSpec {
  const feature = `${where}, feature "${name}"`;
  checkIdentifier(problems, feature, name);
  const { kind, field, condition, where: only } = aggregate;
  const { input, output, problem } = aggregateKind(kind);
  if (field !== undefined) {
    const found = avroField(source.schema, field);
    const isIdentity = input === "identity";
    problems.check(
      found !== null && (isIdentity ? scalarKind(found) !== null : isNumeric(found)),
      feature,
      `${kind}("${field}") needs a ${isIdentity ? "" : "numeric "}field of ` +
        `${source.schema.name}${isIdentity ? " that is text, a number or a boolean" : ""}`,
    );
  }
  if (condition !== undefined) checkCondition(problems, feature, condition, source.schema);
  if (only !== undefined) checkCondition(problems, feature, only, source.schema);
  const wrong = problem?.(aggregate) ?? null;
  if (wrong !== null) problems.add(feature, wrong);
  return { name, output, ...(input === "identity" && { identity: true }), ...aggregate };
}

function windowSpecs(
  problems: Problems,
  where: string,
  labels: readonly string[],
): readonly WindowSpec[] {
  problems.check(labels.length > 0, where, "over() names no window");
  const windows = labels
    .map((label) => ({ label, lengthMs: problems.duration(where, "window", label) }))
    // What is no duration stays, so that no other problem follows from it.
    .sort((a, b) => (a.lengthMs || 0) - (b.lengthMs || 0));
  windows.forEach((window, i) => {
    const before = windows[i - 1];
    if (before?.lengthMs === window.lengthMs) {
      problems.add(where, `windows "${before.label}" and "${window.label}" have the same length`);
    }
  });
  return windows;
}

function checkColumns(
  problems: Problems,
  where: string,
  keyFields: readonly string[],
  aggregates: readonly AggregateSpec[],
  windows: readonly WindowSpec[],
): void {
  const columns = featureColumns({ aggregates, windows }).map(({ column }) => column);
  problems.check(columns.length > 0, where, "compute() names no feature");
  problems.check(
    columns.length <= featuresMax,
    where,
    `has ${columns.length} features; ${featuresMax} are the most`,
  );
  const taken = new Set(reservedRowColumns);
  for (const column of [...keyFields.map(snakeCase), ...columns]) {
    problems.check(!taken.has(column), where, `column "${column}" exists already: rename it`);
    taken.add(column);
  }
}
