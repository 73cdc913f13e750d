import { durationText } from "../../../schemas/duration.ts";
import { encodingText } from "../../../schemas/encodings/encodings.ts";
import { featureColumns, isValueOutput } from "../../../schemas/feature-view.ts";
import { lookupInput, triggerInput } from "../../../schemas/input-payloads.ts";
import { predictionSchema, servedSchema, shadowSchema } from "../../../schemas/outputs.ts";
import {
  type LookupSpec,
  type RequestFeatureSpec,
  stepsOf,
  type TableSpec,
} from "../../../schemas/plan.ts";
import { viewNamed } from "../../../schemas/plan-facts.ts";
import type { RowField } from "../../../schemas/row-layout.ts";
import { rangeText, ruleText } from "../../../schemas/steps/rules.ts";
import type { AnswerSpec, ScoringOperator, ScoringSpec } from "../../../schemas/steps/scoring.ts";
import { servedTopic, shadowsTopic } from "../../../schemas/topic-names.ts";
import { transformLines } from "../../../schemas/transforms/through.ts";
import * as column from "../compile/columns.ts";
import { fanOutOf, type Link, type Part, type RoutesOf } from "../compile/link.ts";
import { type Specs, type StepModule, throughOf } from "../compile/step-module.ts";
import { avroValues } from "../compile/stored-topics.ts";
import { block, list } from "../describe/text.ts";
import type { ScoringDefinition } from "../scoring.ts";
import { answerColumns, explanationColumns, idColumn, keyDocOf, toldColumns } from "./columns.ts";
import { scoringSpecs } from "./specs.ts";

/**
 * The tasks that score, and join predictions with their labels where a label step says so: both go
 * by the key of the triggering record, so one task holds both.
 */
export const scoring: StepModule<"scoring", ScoringDefinition> = {
  after: ["view"],
  needs: ({ lookups }) =>
    Object.values(lookups).map(({ view }) => ({ kind: "view", definition: view, name: view.id })),
  streams: ({ source }) => [source],
  specs: scoringSpecs,
  part,
  text,
};

/**
 * What a prediction promises: it is made when a trigger is taken, at the trigger's knownAt. Answers
 * precede their trigger and models are only read, so predictions are promised from the triggers
 * alone. Labels and timers make none.
 *
 * That the models are not among the triggers is what lets the loop turn: scoring waits for the
 * trainer's progress, the trainer for the watch's, and the watch for what scoring promises here.
 */
function part(scoring: ScoringSpec, specs: Specs): Part {
  const { name, source, keyField } = scoring;
  return {
    name,
    tasks: name,
    operator: (routesOf) => ({ kind: "scoring", spec: operatorOf(specs, scoring, routesOf) }),
    partitions: specs.partitions,
    promises: { triggers: ["triggers"], timers: false, lookAheadMs: 0 },
    outputs: [predictions(specs, scoring)],
    served: served(specs, scoring),
    links: [
      ...lookUps(scoring),
      {
        from: source,
        to: name,
        input: "triggers",
        role: "trigger",
        fanOut: fanOutOf(specs, scoring),
        route: {
          what: `trigger of ${name}`,
          ...throughOf(scoring),
          key: [keyField],
          ...(scoring.unsignedKey === true && { signedKey: true }),
          fields: triggerInput(scoring, isPlaced(specs, scoring)).fields,
          counted: name,
        },
      },
    ],
  };
}

function operatorOf(specs: Specs, scoring: ScoringSpec, routesOf: RoutesOf): ScoringOperator {
  const answers = scoring.lookups.map((lookup) => answerOf(specs, lookup));
  const widths = answers.map(
    ({ columns, encoded }) =>
      columns.filter(({ output }) => output !== "text").length + encoded.length,
  );
  const typed = answers.map((each) =>
    each.columns.some(({ output }) => isValueOutput(output)) ? each : null,
  );
  const label = stepsOf(specs, "label").find(({ predictions: of }) => of === scoring.name);
  const placed = isPlaced(specs, scoring) && ({ placed: true } as const);
  const predictions = routesOf(scoring.name);
  const outcomes = label === undefined ? [] : routesOf(label.name);
  const isAsked = predictions.length + outcomes.length > 0;
  return {
    scoring,
    label: label ?? null,
    widths,
    ...placed,
    ...(typed.some((each) => each !== null) && { answers: typed }),
    ...(isAsked && { routes: { predictions, outcomes } }),
  };
}

function answerOf(specs: Specs, { view: id, encoded = [] }: LookupSpec): AnswerSpec {
  const view = viewNamed(specs, id);
  const columns = view === undefined ? [] : featureColumns(view);
  return {
    columns: columns.map(({ column: name, aggregate: { output } }) => ({ name, output })),
    encoded,
  };
}

/** Whether the task that gives the triggers is not that of their source partition. */
function isPlaced({ sources }: Specs, { source }: ScoringSpec): boolean {
  return !sources.some(({ topic }) => topic === source);
}

/** The questions of each slot to a view, and the answers of each view. */
function lookUps(scoring: ScoringSpec): Link[] {
  const { name, source, keyField, lookups } = scoring;
  const input = `lookups:${name}`;
  const questions = lookups.map(
    ({ view, keyFields }, slot): Link => ({
      from: source,
      to: view,
      input,
      role: "lookup",
      fanOut: "key",
      route: {
        what: `look-up ${slot} of ${name}`,
        ...throughOf(scoring),
        key: keyFields,
        fields: lookupInput(slot, keyField).fields,
        // Its trigger is counted.
        counted: null,
      },
    }),
  );
  const answers = lookups.map(
    ({ view }): Link => ({
      from: view,
      to: name,
      input: `answers:${view}`,
      role: "answer",
      fanOut: "key",
      triggers: [input],
    }),
  );
  return [...questions, ...answers];
}

function predictions(specs: Specs, scoring: ScoringSpec): Part["outputs"][number] {
  const schema = predictionSchema(specs.name, scoring, keyDocOf(specs, scoring));
  return {
    spec: {
      kind: "topic",
      topic: scoring.topic,
      schema,
      partitioning: "same",
      measured: ["latencyMs"],
    },
    stored: scoring.stores.includes("offline")
      ? avroValues(schema, predictionTable(scoring))
      : null,
  };
}

/** What a gateway was asked for, where predictions are kept at all. */
function served(specs: Specs, scoring: ScoringSpec): Part["outputs"] {
  if (!scoring.stores.includes("offline")) return [];
  const schema = servedSchema(specs.name, scoring, keyDocOf(specs, scoring));
  const topic = servedTopic(specs.name, scoring.name);
  const id = idColumn(scoring);
  const columns = [
    id,
    column.timestamp("event_time", "eventTime"),
    column.timestamp("served_at", "servedAt"),
    ...answerColumns,
    column.orNull(column.text("fallback_reason", "fallbackReason")),
    column.truth("incomplete"),
    column.number("latency_ms", "latencyMs"),
    column.orNull(column.timestamp("features_as_of", "featuresAsOf")),
    column.word("status"),
    column.word("origin"),
    column.text("request_id", "requestId"),
    column.orNull(column.text("caller")),
    ...toldColumns(scoring),
    ...explanationColumns(scoring),
    ...vectorColumns(scoring),
  ];
  const table = column.records(`${scoring.name}_served`, columns, ["served_at", id.name]);
  const spec = { kind: "topic", topic, schema, partitioning: "key" } as const;
  return [{ spec, stored: avroValues(schema, table) }, ...shadows(specs, scoring)];
}

/** What shadows scored beside it: behind the answer, so in a topic of its own. */
function shadows(specs: Specs, scoring: ScoringSpec): Part["outputs"] {
  if (scoring.routing === undefined) return [];
  const schema = shadowSchema(specs.name, scoring, keyDocOf(specs, scoring));
  const id = idColumn(scoring);
  const columns = [
    id,
    column.timestamp("event_time", "eventTime"),
    column.timestamp("served_at", "servedAt"),
    ...answerColumns,
    column.word("origin"),
    column.text("request_id", "requestId"),
    ...toldColumns(scoring),
  ];
  const table = column.records(`${scoring.name}_shadows`, columns, ["served_at", id.name]);
  const topic = shadowsTopic(specs.name, scoring.name);
  const spec = { kind: "topic", topic, schema, partitioning: "key" } as const;
  return [{ spec, stored: avroValues(schema, table) }];
}

function vectorColumns({ features }: ScoringSpec) {
  return features.map((name) => column.orNull(column.number(name, `features.${name}`)));
}

function predictionTable(scoring: ScoringSpec): TableSpec {
  const id = idColumn(scoring);
  const columns = [
    id,
    column.timestamp("event_time", "eventTime"),
    column.timestamp("known_at", "knownAt"),
    ...answerColumns,
    column.orNull(column.text("fallback_reason", "fallbackReason")),
    column.truth("incomplete"),
    column.number("latency_ms", "latencyMs"),
    column.orNull(column.timestamp("features_as_of", "featuresAsOf")),
    column.whole("source_partition", 16, "sourcePartition"),
    column.integer("source_offset", "sourceOffset"),
    ...toldColumns(scoring),
    ...explanationColumns(scoring),
    ...vectorColumns(scoring),
  ];
  return column.records(scoring.name, columns, ["known_at", id.name]);
}

function requestText({ field, calendar, encoding }: RequestFeatureSpec): string {
  if (encoding !== undefined) return encodingText(encoding, field);
  return calendar ? `${field}, a calendar feature` : field;
}

function keyText({ name, type }: RowField): string {
  return `${name} (${JSON.stringify(type)})`;
}

function routingLines({ routing }: ScoringSpec): string[] {
  if (routing === undefined) return [];
  const { by, segment, salt } = routing;
  return [`routed by ${by}${segment === null ? "" : `, segments of ${segment}`}, salt ${salt}`];
}

function explainLines({ explains, explainsMost }: ScoringSpec): string[] {
  return explains === true ? [`explains scores by up to ${explainsMost} features`] : [];
}

function text(scoring: ScoringSpec): string {
  const { model, fallback } = scoring;
  return block(`scoring ${scoring.name}`, [
    `of ${scoring.source} by ${scoring.keyField} (${scoring.keyType})`,
    ...transformLines(scoring.through),
    ...scoring.lookups.map(
      ({ slot, view, keyFields }) => `${slot} = ${view} at (${list(keyFields)})`,
    ),
    ...scoring.lookups.flatMap(({ slot, encoded = [] }) =>
      encoded.map(
        ({ name, column: of, encoding }) => `${name} = ${encodingText(encoding, `${slot}_${of}`)}`,
      ),
    ),
    ...scoring.request.map((feature) => `${feature.name} = ${requestText(feature)}`),
    `vector of ${scoring.features.length} features; missing ones are null`,
    ...(scoring.keys ? [`tells of keys ${list(scoring.keys.fields.map(keyText))}`] : []),
    `model ${model.name}@${model.alias}, deadline ${durationText(scoring.deadlineMs)}`,
    `fallback ${fallback.previous ? "previous version, then " : ""}${fallback.kind} ${fallback.value}`,
    ...(scoring.ranges ?? []).map(rangeText),
    ...(scoring.rules ?? []).map(ruleText),
    ...routingLines(scoring),
    ...explainLines(scoring),
    ...(scoring.tells ? [`tells ${list(scoring.tells)}`] : []),
    `into topic ${scoring.topic}, stores ${list(scoring.stores)}`,
  ]);
}
