import { snakeCase } from "../../../schemas/feature-view.ts";
import type { ColumnSpec } from "../../../schemas/plan.ts";
import { toldFields } from "../../../schemas/steps/rules.ts";
import type { ScoringSpec } from "../../../schemas/steps/scoring.ts";
import { copiedThrough } from "../../../schemas/transforms/through.ts";
import * as column from "../compile/columns.ts";
import type { Specs } from "../compile/step-module.ts";

/** Column with the id of a prediction. */
export function idColumn({ keyField, keyType }: ScoringSpec): ColumnSpec {
  const typed = keyType === "long" ? column.integer : column.text;
  return typed(snakeCase(keyField), keyField);
}

/** Columns that tell of an answer, in predictions and in outcomes. */
export const answerColumns: readonly ColumnSpec[] = [
  column.number("probability"),
  column.truth("fallback"),
  column.word("model"),
  column.orNull(column.text("version")),
];

const toldColumn = { number: column.number, text: column.text, boolean: column.truth } as const;

/** Columns of what a step with rules or ranges tells besides. */
export function toldColumns(scoring: ScoringSpec): ColumnSpec[] {
  return toldFields(scoring).map(({ name, type, nullable }) => {
    const made = toldColumn[type](snakeCase(name), name);
    return nullable ? column.orNull(made) : made;
  });
}

/** Columns of the explanations of a step that gives them. */
export function explanationColumns({ explains }: Pick<ScoringSpec, "explains">): ColumnSpec[] {
  if (explains !== true) return [];
  const { number, numbersByText, orNull, text } = column;
  return [
    orNull(number("explanation_expected", "explanation.expected")),
    numbersByText("explanation_contributions", "explanation.contributions"),
    orNull(number("explanation_rest", "explanation.rest")),
    orNull(text("explanation_of", "explanation.of")),
    orNull(text("explanation_by", "explanation.by")),
    orNull(text("explanation_reason", "explanationReason")),
  ];
}

/** What the source says about the key field. */
export function keyDocOf(
  { sources }: Specs,
  { source, through = [], keyField }: ScoringSpec,
): string {
  const layout = sources.find((each) => each.topic === source)?.layout;
  const field = copiedThrough(through, keyField);
  return layout?.fields.find((each) => each.name === field)?.doc ?? "";
}
