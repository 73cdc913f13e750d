import { durationText } from "../../../schemas/duration.ts";
import { conditionText } from "../../../schemas/expression.ts";
import {
  type AggregateSpec,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  onlineName,
  snakeCase,
  tableName,
  valueLayout,
  viewId,
} from "../../../schemas/feature-view.ts";
import { updateInput } from "../../../schemas/input-payloads.ts";
import type { ColumnSpec, TableSpec } from "../../../schemas/plan.ts";
import { topicText } from "../../../schemas/topic-names.ts";
import { transformLines } from "../../../schemas/transforms/through.ts";
import * as column from "../compile/columns.ts";
import type { Part, WorldOutput } from "../compile/link.ts";
import { type Specs, type StepModule, throughOf } from "../compile/step-module.ts";
import { block, list } from "../describe/text.ts";
import type { ViewDefinition } from "../view.ts";
import { viewSpecs } from "./specs.ts";

/**
 * The tasks that keep a view. They answer look-ups as of the moment of the question, and write a
 * row whenever an event arrives in a window or leaves one.
 */
export const view: StepModule<"view", ViewDefinition> = {
  after: [],
  ownName: ({ id }) => id,
  needs: () => [],
  streams: ({ source }) => [source],
  specs: viewSpecs,
  part,
  text,
};

/**
 * What an answer promises: only look-ups make answers, each at its own knownAt, so the progress of
 * the answers is that of the look-ups. Updates and expiries change what an answer says, not when it
 * is given; the merge has them in order before the look-up is taken.
 */
function part(view: FeatureViewSpec, specs: Specs): Part {
  const name = viewId(view);
  return {
    name,
    tasks: name,
    operator: () => ({ kind: "view", spec: view }),
    partitions: specs.partitions,
    // Whoever looks up says by which input the answers go.
    promises: { triggers: [], timers: false, lookAheadMs: 0 },
    outputs: [rows(specs.name, view)],
    links: [
      {
        from: view.source,
        to: name,
        input: "updates",
        role: "update",
        fanOut: "key",
        route: {
          what: `update of ${name}`,
          ...throughOf(view),
          key: view.keyFields,
          fields: updateInput(view.aggregates).fields,
          counted: name,
        },
      },
    ],
  };
}

/** Every row ever emitted, unique by (key, as_of, seq); of an instant the last one holds. */
function rows(topology: string, view: FeatureViewSpec): WorldOutput {
  const { name, version, layout = 1, keyFields, ttlMs, stores } = view;
  const keys = keyFields.map(snakeCase);
  const features = featureColumns(view).map(
    ({ column: feature, aggregate }): ColumnSpec => ({
      name: feature,
      ...featureTypes[aggregate.output],
    }),
  );
  const others = valueLayout(view);
  const table: TableSpec = {
    name: tableName(view),
    view: name,
    version,
    ...(layout > 1 && { layout }),
    columns: [
      ...keys.map((key) => column.word(key)),
      { ...column.timestamp("as_of"), ascending: true },
      column.whole("seq", 32),
      column.orNull(column.timestamp("valid_until")),
      column.whole("served", 8),
      ...features,
    ],
    orderBy: [...keys, "as_of", "seq"],
    shown: [...keys, "as_of", "valid_until", ...features.map((each) => each.name)],
    lastBy: [...keys, "as_of"],
  };
  return {
    spec: {
      kind: "rows",
      topic: `${topology}.${topicText(viewId(view))}.rows`,
      view: viewId(view),
    },
    stored: {
      values: {
        kind: "rows",
        keyFields: keys.length,
        ...(others.fields.length > 0 && { others }),
      },
      table: stores.includes("offline") ? table : null,
      online: stores.includes("online") ? { view: onlineName(view), ttlMs } : null,
    },
  };
}

const featureTypes = {
  count: { type: "integer", bits: 32, nullable: false },
  number: { type: "number", nullable: true },
  since: { type: "timestamp", nullable: true },
  // With a sign or without one: both stand in 64 bits.
  integer: { type: "integer", bits: 128, nullable: true },
  boolean: { type: "boolean", nullable: true },
  text: { type: "text", nullable: true },
  timestamp: { type: "timestamp", nullable: true },
} as const;

function text(view: FeatureViewSpec): string {
  return block(`view ${viewId(view)}`, [
    `of ${view.source} by ${list(view.keyFields)}`,
    ...transformLines(view.through),
    `windows ${list(view.windows.map(({ label }) => label))}`,
    `ttl ${durationText(view.ttlMs)}, exact up to ${view.exactLimit} events a key`,
    `stores ${list(view.stores)}`,
    ...view.aggregates.map((each) => `${snakeCase(each.name)} = ${aggregateText(each)}`),
  ]);
}

function aggregateText(aggregate: AggregateSpec): string {
  const { kind, field, condition, where, output, parameters = {} } = aggregate;
  const inputs = [
    field,
    condition === undefined ? undefined : conditionText(condition),
    ...Object.values(parameters).map(String),
    where === undefined ? undefined : `where ${conditionText(where)}`,
  ];
  const of = `${kind}(${inputs.filter((input) => input !== undefined).join(", ")})`;
  return isValueOutput(output) ? `${of}, ${output}` : of;
}
