import {
  type FeatureColumn,
  type FeatureViewSpec,
  featureColumns,
  snakeCase,
  viewId,
} from "../../../schemas/feature-view.ts";
import type { EncodedFeatureSpec, LookupSpec, RequestFeatureSpec } from "../../../schemas/plan.ts";
import { viewsOf } from "../../../schemas/plan-facts.ts";
import type { RowField } from "../../../schemas/row-layout.ts";
import { toldFields } from "../../../schemas/steps/rules.ts";
import type { ScoringSpec } from "../../../schemas/steps/scoring.ts";
import { keysOf } from "../answers.ts";
import { isId, isNumeric, isWhole, layoutField, scalarKind } from "../compile/layout-field.ts";
import { checkIdentifier, compareText, featuresMax, plumbingColumns } from "../compile/names.ts";
import type { Problems } from "../compile/problems.ts";
import { type Context, type Named, originOf, throughOf } from "../compile/step-module.ts";
import { storesOf } from "../compile/stores.ts";
import type { LabelDefinition } from "../label.ts";
import type { LookupDefinition } from "../lookup.ts";
import type { ScoringDefinition } from "../scoring.ts";
import { explanationColumns } from "./columns.ts";
import { ruleSpecs } from "./rule-specs.ts";

/** Columns of predictions. */
const reservedPredictionColumns: ReadonlySet<string> = new Set([
  ...plumbingColumns,
  "event_time",
  "known_at",
  "probability",
  "fallback",
  "fallback_reason",
  "model",
  "version",
  "incomplete",
  "latency_ms",
  "features_as_of",
  "source_partition",
  "source_offset",
  "features",
]);

/** Columns of outcomes that predictions do not have: the key must not take their names either. */
const reservedOutcomeColumns: ReadonlySet<string> = new Set([
  "predicted_at",
  "labelled",
  "label",
  "label_event_time",
]);

/** Features that an explanation names. */
const explainedMost = 100;

/** A look-up is numbered with a byte. */
const slotsMax = 250;

/** Scoring steps; their look-ups answer from views. */
export function scoringSpecs(
  problems: Problems,
  scorings: readonly Named<ScoringDefinition>[],
  context: Context,
): ScoringSpec[] {
  return scorings.map((scoring) => scoringSpec(problems, scoring, context));
}

function scoringSpec(
  problems: Problems,
  { name, definition }: Named<ScoringDefinition>,
  context: Context,
): ScoringSpec {
  const views = viewsOf(context);
  const where = `step "${name}"`;
  const { source, fallback, modelName } = definition;
  const derived = derivedSpecs(problems, where, definition, views);
  const lookups = Object.entries(definition.lookups).map(([slot, lookup]) => ({
    ...lookupSpec(problems, where, slot, lookup, definition),
    ...(derived[slot] && { encoded: derived[slot] }),
  }));
  const request = requestSpecs(problems, where, definition);
  const features = [
    ...lookups.flatMap((lookup) => lookupFeatures(lookup, views)),
    ...request.map((feature) => feature.name),
  ];
  problems.check(
    lookups.length <= slotsMax,
    where,
    `has ${lookups.length} look-ups; ${slotsMax} are the most`,
  );
  const keyField = source.idField ?? "";
  const ruled = ruleSpecs(problems, name, definition, features);
  const explained = explainSpec(problems, where, definition.explain);
  const told = [...toldFields(ruled), ...explanationColumns(explained)];
  checkFeatures(problems, where, keyField, features, told);
  problems.check(definition.missing === "null", where, 'missing must be "null"');
  problems.check(
    /^[a-z][a-z0-9_-]{0,79}$/.test(modelName),
    where,
    `model name "${modelName}": write a lower-case letter, then lower-case letters, digits, _ or -`,
  );
  problems.check(
    definition.model === "@champion",
    where,
    `model "${definition.model}" is unknown: write "@champion"`,
  );
  problems.check(
    fallback.value >= 0 && fallback.value <= 1,
    where,
    `prior(${fallback.value}) must be a probability`,
  );
  const key = layoutField(source.layout, keyField);
  problems.check(
    isId(key),
    where,
    source.idField === null
      ? "select() left out the field that tells its records apart: copy it, or name another one " +
          "by identifiedBy()"
      : `identifiedBy("${keyField}") needs text or a whole number that is never null`,
  );
  return {
    name,
    source: originOf(context, source),
    ...throughOf(source),
    keyField,
    keyType: key !== null && isWhole(key) ? "long" : "string",
    ...(key?.unsigned === true && { unsignedKey: true }),
    lookups,
    request,
    features,
    ...keysAsked(definition, context),
    model: { name: modelName, alias: "champion" },
    deadlineMs: problems.duration(where, "deadline", definition.deadline),
    fallback,
    ...ruled,
    ...explained,
    topic: definition.topic,
    stores: storesOf(problems, where, definition.roles),
  };
}

/** What others may ask of its predictions, or of their outcomes, where a step takes these. */
function keysAsked(
  definition: ScoringDefinition,
  { reached, giving }: Context,
): Pick<ScoringSpec, "keys"> {
  const labels = (reached("label") as readonly Named<LabelDefinition>[])
    .map((label) => label.definition)
    .filter(({ predictions }) => predictions === definition);
  if (![definition, ...labels].some((each) => giving.has(each))) return {};
  // What fields mean for people is no part of what rows are.
  const fields = keysOf(definition).map(({ doc: _, ...field }) => field);
  return fields.length === 0 ? {} : { keys: { fields } };
}

function explainSpec(
  problems: Problems,
  where: string,
  explain: ScoringDefinition["explain"],
): Pick<ScoringSpec, "explains" | "explainsMost"> {
  if (explain === undefined) return {};
  const { top } = explain;
  problems.check(
    Number.isInteger(top) && top >= 1 && top <= explainedMost,
    where,
    `explain tells the top ${top} features: write 1 to ${explainedMost}`,
  );
  return { explains: true, explainsMost: top };
}

function lookupSpec(
  problems: Problems,
  where: string,
  slot: string,
  { view, fields }: LookupDefinition,
  { source }: ScoringDefinition,
): LookupSpec {
  const here = `${where}, look-up "${slot}"`;
  checkIdentifier(problems, here, slot);
  problems.check(
    fields.length === view.keyFields.length,
    here,
    `${view.id} has the key (${view.keyFields.join(", ")}); at() names ${fields.length} fields`,
  );
  fields.forEach((name, i) => {
    const field = layoutField(source.layout, name);
    const keyField = layoutField(view.source.layout, view.keyFields[i] ?? "");
    const fits =
      field !== null &&
      !field.nullable &&
      keyField !== null &&
      scalarKind(field) === scalarKind(keyField);
    problems.check(
      fits,
      here,
      `at("${name}") needs a field of ${source.topic} that is never null and of the type ` +
        `of ${view.keyFields[i] ?? "the key"} in ${view.id}`,
    );
  });
  return { slot: snakeCase(slot), view: view.id, keyFields: fields };
}

/** Request features in the order of their names, so that the order in the text does not matter. */
function requestSpecs(
  problems: Problems,
  where: string,
  { request, source }: ScoringDefinition,
): RequestFeatureSpec[] {
  return request
    .map(([name, { field, calendar, encoding, problem }]) => {
      const here = `${where}, request feature "${name}"`;
      checkIdentifier(problems, here, name);
      const found = layoutField(source.layout, field);
      const isText = encoding !== undefined || problem !== undefined;
      const needed = isText ? "text" : calendar ? "numeric" : "numeric or boolean";
      problems.check(
        found !== null && (isText ? found.type === "text" : isVector(found, calendar)),
        here,
        `"${field}" is no ${needed} field of ${source.topic}`,
      );
      problems.check(problem === undefined, here, problem ?? "");
      problems.check(
        !calendar || found?.type !== "timestamp",
        here,
        `calendar("${field}") takes a number as it is, and "${field}" is an instant: have a field ` +
          "with its hour or weekday in the record, and write calendar() of that",
      );
      return { name: snakeCase(name), field, calendar, ...(encoding && { encoding }) };
    })
    .sort((a, b) => compareText(a.name, b.name));
}

function isVector(field: RowField, calendar: boolean): boolean {
  return isNumeric(field) || (field.type === "boolean" && !calendar);
}

/** Features made of texts of look-ups, by slot and in the order of their names. */
function derivedSpecs(
  problems: Problems,
  where: string,
  { lookups, derived }: ScoringDefinition,
  views: readonly FeatureViewSpec[],
): Readonly<Record<string, readonly EncodedFeatureSpec[]>> {
  const texts = Object.entries(lookups).flatMap(([slot, { view }]) =>
    columnsOf(views, view.id)
      .filter(({ aggregate }) => aggregate.output === "text")
      .map(({ column }) => ({ slot, column, field: `${snakeCase(slot)}_${column}` })),
  );
  const made = derived.flatMap(([name, { field, encoding, problem }]) => {
    const here = `${where}, derived feature "${name}"`;
    checkIdentifier(problems, here, name);
    problems.check(problem === undefined, here, problem ?? "");
    const text = texts.find((each) => each.field === field);
    if (text === undefined) {
      const known = texts.map((each) => `"${each.field}"`).join(", ");
      problems.add(here, `"${field}" is no text of a look-up${known && `; there are ${known}`}`);
    }
    if (text === undefined || encoding === undefined) return [];
    const { slot, column } = text;
    return { slot, spec: { name: snakeCase(name), column, encoding } };
  });
  const sorted = made.sort((a, b) => compareText(a.spec.name, b.spec.name));
  const slots = [...new Set(sorted.map(({ slot }) => slot))];
  return Object.fromEntries(
    slots.map((slot) => [slot, sorted.flatMap((each) => (each.slot === slot ? [each.spec] : []))]),
  );
}

/** Those that the topology runs with, which may be fewer than its text has. */
function columnsOf(views: readonly FeatureViewSpec[], id: string): readonly FeatureColumn[] {
  const view = views.find((each) => viewId(each) === id);
  return view === undefined ? [] : featureColumns(view);
}

function lookupFeatures(lookup: LookupSpec, views: readonly FeatureViewSpec[]): string[] {
  return [
    ...columnsOf(views, lookup.view)
      .filter(({ aggregate }) => aggregate.output !== "text")
      .map(({ column }) => `${lookup.slot}_${column}`),
    ...(lookup.encoded ?? []).map(({ name }) => name),
  ];
}

function checkFeatures(
  problems: Problems,
  where: string,
  keyField: string,
  features: readonly string[],
  told: readonly Pick<RowField, "name">[],
): void {
  problems.check(features.length > 0, where, "has no feature: add a look-up or a request feature");
  problems.check(
    features.length <= featuresMax,
    where,
    `has ${features.length} features; ${featuresMax} are the most`,
  );
  const key = snakeCase(keyField);
  const own = told.map(({ name }) => snakeCase(name));
  problems.check(
    !own.includes(key) && !reservedPredictionColumns.has(key) && !reservedOutcomeColumns.has(key),
    where,
    `its key "${keyField}" has the name of a field of predictions or outcomes: rename it`,
  );
  const taken = new Set([...reservedPredictionColumns, ...own, key]);
  for (const feature of features) {
    problems.check(!taken.has(feature), where, `feature "${feature}" exists already: rename it`);
    taken.add(feature);
  }
}
