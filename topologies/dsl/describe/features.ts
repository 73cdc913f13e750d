import { conditionText } from "../../../schemas/expression.ts";
import {
  type AggregateSpec,
  type FeatureViewSpec,
  snakeCase,
  viewId,
} from "../../../schemas/feature-view.ts";
import type { ScoringSpec, SourceSpec } from "../../../schemas/plan.ts";
import { block, durationText, list } from "./text.ts";

export function sourceText({
  topic,
  schema,
  timeField,
  latenessMs,
  partitionField,
  repartitioned,
}: SourceSpec): string {
  const name = schema.namespace === undefined ? schema.name : `${schema.namespace}.${schema.name}`;
  return block(`source ${topic}`, [
    `time ${timeField}, lateness ${durationText(latenessMs)}`,
    repartitioned ? `repartitioned by ${partitionField}` : `key ${partitionField}`,
    block(
      `record ${name}`,
      schema.fields.map(({ name, type, doc: _, ...rest }) => {
        // A default, aliases: what else decides how a writer's schema is read.
        const more = Object.keys(rest).length === 0 ? "" : ` ${typeText(rest)}`;
        return `${name}: ${typeText(type)}${more}`;
      }),
    ),
  ]);
}

/** An Avro type without its docs. */
function typeText(type: unknown): string {
  if (typeof type === "string") return type;
  return JSON.stringify(type, (key, value: unknown) => (key === "doc" ? undefined : value));
}

export function viewText(view: FeatureViewSpec): string {
  return block(`view ${viewId(view)}`, [
    `of ${view.source} by ${list(view.keyFields)}`,
    `windows ${list(view.windows.map(({ label }) => label))}`,
    `ttl ${durationText(view.ttlMs)}, exact up to ${view.exactLimit} events a key`,
    `stores ${list(view.stores)}`,
    ...view.aggregates.map((each) => `${snakeCase(each.name)} = ${aggregateText(each)}`),
  ]);
}

function aggregateText(aggregate: AggregateSpec): string {
  const { kind, field, condition, where, parameters = {} } = aggregate;
  const inputs = [
    field,
    condition === undefined ? undefined : conditionText(condition),
    ...Object.values(parameters).map(String),
    where === undefined ? undefined : `where ${conditionText(where)}`,
  ];
  return `${kind}(${inputs.filter((input) => input !== undefined).join(", ")})`;
}

export function scoringText(scoring: ScoringSpec): string {
  const { model, fallback } = scoring;
  return block(`scoring ${scoring.name}`, [
    `of ${scoring.source} by ${scoring.keyField} (${scoring.keyType})`,
    ...scoring.lookups.map(
      ({ slot, view, keyFields }) => `${slot} = ${view} at (${list(keyFields)})`,
    ),
    ...scoring.request.map(({ name, field, calendar }) =>
      calendar ? `${name} = ${field}, a calendar feature` : `${name} = ${field}`,
    ),
    `vector of ${scoring.features.length} features; missing ones are null`,
    `model ${model.name}@${model.alias}, deadline ${durationText(scoring.deadlineMs)}`,
    `fallback ${fallback.kind} ${fallback.value}`,
    `into topic ${scoring.topic}, stores ${list(scoring.stores)}`,
  ]);
}
