import { isDeepStrictEqual } from "node:util";
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
import { checkCondition } from "../compile/conditions.ts";
import { isNumeric, layoutField, scalarKind } from "../compile/layout-field.ts";
import { checkIdentifier, featuresMax, plumbingColumns, textColumnsMax } from "../compile/names.ts";
import type { Problems } from "../compile/problems.ts";
import { type Context, type Named, originOf, throughOf } from "../compile/step-module.ts";
import type { ViewDefinition } from "../view.ts";
import { outputOf } from "./outputs.ts";

const viewName = /^([a-z][a-z0-9_]{0,79})@([1-9]\d{0,5})$/;

/** Names of views of the offline store that a feature view must not take. */
const offlineViews = new Set([
  "predictions",
  "outcomes",
  "late_records",
  "dead_letters",
  "drift",
  "models",
]);

/** Columns that every row has beside its features, so that no feature takes their names. */
const reservedColumns = new Set<string>([
  ...plumbingColumns,
  "as_of",
  "valid_until",
  "seq",
  "served",
]);
/** Raw events kept a key before tiles serve it, unless the view says otherwise. */
const exactLimitDefault = 4096;

/** Views in the order given, which is that of their ids. */
export function viewSpecs(
  problems: Problems,
  steps: readonly Named<ViewDefinition>[],
  context: Context,
): FeatureViewSpec[] {
  const specs = new Map<string, FeatureViewSpec>();
  for (const { definition } of steps) {
    const told = viewSpec(problems, definition, context);
    const spec = { ...told, ...context.columns.get(definition.id) };
    const other = specs.get(definition.id);
    if (other === undefined) specs.set(viewId(spec), spec);
    else {
      problems.check(
        isDeepStrictEqual(other, spec),
        `view "${definition.id}"`,
        "is defined twice with different features: give one of them another name or version",
      );
    }
  }
  return [...specs.values()];
}

function viewSpec(
  problems: Problems,
  definition: ViewDefinition,
  context: Context,
): FeatureViewSpec {
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
    source: originOf(context, definition.source),
    ...throughOf(definition.source),
    keyFields: definition.keyFields,
    aggregates,
    windows,
    ttlMs,
    exactLimit,
    stores: (["online", "offline"] as const).filter((role) => roles.includes(role)),
  };
}

interface ViewName {
  readonly name: string;
  readonly version: number;
}

/** Takes `name@version` apart. */
function parseViewName(problems: Problems, id: string): ViewName {
  const match = viewName.exec(id);
  const name = match?.[1];
  if (name === undefined) {
    problems.add(
      `view "${id}"`,
      'write its identity as name@version, e.g. "origin_delays@1": a lower-case letter, then ' +
        "up to 79 lower-case letters, digits or _, and a version from 1",
    );
    return { name: id, version: Number.NaN };
  }
  problems.check(
    !offlineViews.has(name) && !name.startsWith("raw_"),
    `view "${id}"`,
    `"${name}" is the name of a table of the offline store: choose another`,
  );
  return { name, version: Number(match?.[2]) };
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
    const field = layoutField(source.layout, name);
    problems.check(
      field !== null && !field.nullable && scalarKind(field) !== null,
      where,
      `keyedBy("${name}") needs a field of ${source.topic} that is text, a number or a ` +
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
  const { input, problem } = aggregateKind(kind);
  const output = outputOf(aggregate, source.layout);
  if (field !== undefined) {
    const found = layoutField(source.layout, field);
    const isAny = input === "identity" || input === "value";
    problems.check(
      found !== null && (isAny ? scalarKind(found) !== null : isNumeric(found)),
      feature,
      `${kind}("${field}") needs a ${isAny ? "" : "numeric "}field of ` +
        `${source.topic}${isAny ? " that is text, a number or a boolean" : ""}`,
    );
  }
  if (condition !== undefined) checkCondition(problems, feature, condition, source);
  if (only !== undefined) checkCondition(problems, feature, only, source);
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
  const all = featureColumns({ aggregates, windows });
  const columns = all.map(({ column }) => column);
  const texts = all.filter(({ aggregate }) => aggregate.output === "text").length;
  problems.check(
    texts <= textColumnsMax,
    where,
    `has ${texts} columns of texts; ${textColumnsMax} are the most: part it`,
  );
  problems.check(columns.length > 0, where, "compute() names no feature");
  problems.check(
    columns.length <= featuresMax,
    where,
    `has ${columns.length} features; ${featuresMax} are the most`,
  );
  const taken = new Set(reservedColumns);
  for (const column of [...keyFields.map(snakeCase), ...columns]) {
    problems.check(!taken.has(column), where, `column "${column}" exists already: rename it`);
    taken.add(column);
  }
}
