import type { LabelSpec, ScoringSpec } from "../../../schemas/plan.ts";
import type { LabelDefinition, ScoringDefinition } from "../definitions.ts";
import { avroField, scalarKind } from "./avro-field.ts";
import { checkCondition } from "./conditions.ts";
import type { Problems } from "./problems.ts";
import type { Named } from "./reach.ts";
import { storesOf } from "./scoring-specs.ts";

/** Label steps; each joins one scoring step, and runs in its tasks. */
export function labelSpecs(
  problems: Problems,
  labels: readonly Named<LabelDefinition>[],
  scorings: readonly Named<ScoringDefinition>[],
): LabelSpec[] {
  const specs = labels.map((label) => labelSpec(problems, label, scorings));
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
  scorings: readonly Named<ScoringDefinition>[],
): LabelSpec {
  const where = `step "${name}"`;
  const { source, on, label, unlabelled, predictions } = definition;
  const key = avroField(predictions.source.schema, predictions.source.idField);
  const field = avroField(source.schema, on);
  problems.check(
    field !== null && !field.nullable && key !== null && scalarKind(field) === scalarKind(key),
    where,
    `on "${on}" needs a field of ${source.schema.name} that is never null and of the type of ` +
      `${predictions.source.idField}, the key of the predictions`,
  );
  checkCondition(problems, where, label, source.schema);
  problems.check(
    unlabelled === "negative" || unlabelled === "unknown",
    where,
    `unlabelled "${unlabelled}" is neither "negative" nor "unknown"`,
  );
  return {
    name,
    predictions: nameOf(scorings, predictions),
    source: source.topic,
    keyField: on,
    withinMs: problems.duration(where, "within", definition.within),
    unlabelled,
    label,
    topic: definition.topic,
    stores: storesOf(problems, where, definition),
  };
}

/** Name of a definition among those reached; every one has one. */
export function nameOf<D>(all: readonly Named<D>[], definition: D): string {
  return all.find((each) => each.definition === definition)?.name ?? "";
}

/** The scoring step of a label step. */
export function scoringOf(
  scorings: readonly ScoringSpec[],
  label: LabelSpec,
): ScoringSpec | undefined {
  return scorings.find((scoring) => scoring.name === label.predictions);
}
