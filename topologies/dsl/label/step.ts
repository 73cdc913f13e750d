import { durationText } from "../../../schemas/duration.ts";
import { conditionText } from "../../../schemas/expression.ts";
import { labelInput } from "../../../schemas/input-payloads.ts";
import { outcomeSchema } from "../../../schemas/outputs.ts";
import { stepsOf, type TableSpec } from "../../../schemas/plan.ts";
import type { LabelSpec } from "../../../schemas/steps/label.ts";
import type { ScoringSpec } from "../../../schemas/steps/scoring.ts";
import { transformLines } from "../../../schemas/transforms/through.ts";
import * as column from "../compile/columns.ts";
import { checkCondition } from "../compile/conditions.ts";
import { layoutField, scalarKind } from "../compile/layout-field.ts";
import { fanOutOf, type Part } from "../compile/link.ts";
import type { Problems } from "../compile/problems.ts";
import {
  type Context,
  type Named,
  nameOf,
  originOf,
  type Specs,
  type StepModule,
  throughOf,
} from "../compile/step-module.ts";
import { avroValues } from "../compile/stored-topics.ts";
import { storesOf } from "../compile/stores.ts";
import { block, list } from "../describe/text.ts";
import type { LabelDefinition } from "../label.ts";
import { answerColumns, idColumn, keyDocOf, toldColumns } from "../scoring/columns.ts";

/** The join of predictions with their labels, in the tasks that make them. */
export const label: StepModule<"label", LabelDefinition> = {
  after: ["scoring"],
  needs: ({ predictions }) => [
    {
      kind: "scoring",
      definition: predictions,
      name: "predictions",
      topic: predictions.topic,
    },
  ],
  streams: ({ source }) => [source],
  specs: labelSpecs,
  part,
  text,
};

/** Label steps; each joins one scoring step, and runs in its tasks. */
function labelSpecs(
  problems: Problems,
  labels: readonly Named<LabelDefinition>[],
  context: Context,
): LabelSpec[] {
  const specs = labels.map((label) => labelSpec(problems, label, context));
  specs.forEach((spec, i) => {
    const other = specs.slice(0, i).find((each) => each.predictions === spec.predictions);
    if (other === undefined) return;
    problems.add(
      `step "${spec.name}"`,
      `labels "${spec.predictions}", which "${other.name}" labels already: predictions ` +
        "have one label",
    );
  });
  return specs;
}

function labelSpec(
  problems: Problems,
  { name, definition }: Named<LabelDefinition>,
  context: Context,
): LabelSpec {
  const where = `step "${name}"`;
  const { source, on, label, unlabelled, predictions } = definition;
  const idField = predictions.source.idField ?? "";
  const key = layoutField(predictions.source.layout, idField);
  const field = layoutField(source.layout, on);
  problems.check(
    field !== null && key !== null && scalarKind(field) === scalarKind(key),
    where,
    `on "${on}" needs a field of ${source.topic} of the type of ${idField}, the key of the ` +
      "predictions",
  );
  checkCondition(problems, where, label, source);
  problems.check(
    unlabelled === "negative" || unlabelled === "unknown",
    where,
    `unlabelled "${unlabelled}" is neither "negative" nor "unknown"`,
  );
  return {
    name,
    predictions: nameOf(context.reached("scoring"), predictions),
    source: originOf(context, source),
    ...throughOf(source),
    keyField: on,
    withinMs: problems.duration(where, "within", definition.within),
    unlabelled,
    label,
    topic: definition.topic,
    stores: storesOf(problems, where, definition.roles),
  };
}

/**
 * What an outcome promises: it is made at the knownAt of the later of prediction and label, or by
 * the timer that ends the wait. So the least of triggers, labels and the next timer is promised.
 */
function part(label: LabelSpec, specs: Specs): Part {
  const { name, predictions, source, keyField } = label;
  return {
    name,
    tasks: predictions,
    operator: null,
    partitions: specs.partitions,
    promises: { triggers: ["triggers", "labels"], timers: true, lookAheadMs: 0 },
    outputs: stepsOf(specs, "scoring")
      .filter((each) => each.name === predictions)
      .map((scoring) => outcomes(specs, scoring, label)),
    links: [
      {
        from: source,
        to: predictions,
        input: "labels",
        role: "update",
        fanOut: fanOutOf(specs, label),
        route: {
          what: `label of ${name}`,
          ...throughOf(label),
          key: [keyField],
          fields: labelInput(label.label).fields,
          counted: name,
        },
      },
    ],
  };
}

function outcomes(specs: Specs, scoring: ScoringSpec, label: LabelSpec): Part["outputs"][number] {
  const schema = outcomeSchema(specs.name, scoring, label, keyDocOf(specs, scoring));
  return {
    spec: { kind: "topic", topic: label.topic, schema, partitioning: "same" },
    stored: label.stores.includes("offline")
      ? avroValues(schema, outcomeTable(scoring, label))
      : null,
  };
}

function outcomeTable(scoring: ScoringSpec, label: LabelSpec): TableSpec {
  const id = idColumn(scoring);
  const columns = [
    id,
    column.timestamp("predicted_at", "predictedAt"),
    column.timestamp("known_at", "knownAt"),
    column.truth("labelled"),
    column.orNull(column.truth("label")),
    column.orNull(column.timestamp("label_event_time", "labelEventTime")),
    ...answerColumns,
    ...toldColumns(scoring),
  ];
  return column.records(label.name, columns, ["known_at", id.name]);
}

function text(label: LabelSpec): string {
  return block(`labels ${label.name}`, [
    `of ${label.predictions} from ${label.source} on ${label.keyField}`,
    ...transformLines(label.through),
    `within ${durationText(label.withinMs)}, true where ${conditionText(label.label)}`,
    ...(label.unlabelled === "unknown" ? [] : [`without a label in time ${label.unlabelled}`]),
    `into topic ${label.topic}, stores ${list(label.stores)}`,
  ]);
}
