import type { AggregateDefinition } from "../../../processors/aggregate/aggregate.ts";
import { aggregateKind } from "../../../processors/aggregate/registry.ts";
import { type FeatureOutput, snakeCase } from "../../../schemas/feature-view.ts";
import type { RowLayout } from "../../../schemas/row-layout.ts";
import { layoutField } from "../compile/layout-field.ts";
import type { ViewDefinition } from "../view.ts";

/** What a feature holds: what its kind gives, or a value of the type of its field. */
export function outputOf({ kind, field }: AggregateDefinition, layout: RowLayout): FeatureOutput {
  const { output } = aggregateKind(kind);
  if (output !== "value") return output;
  const found = layoutField(layout, field ?? "");
  return found === null || typeof found.type !== "string" ? "number" : found.type;
}

/** Columns of a view in any order, unchecked: what a look-up of it may name. */
export function columnsOf({
  aggregates,
  windows,
  source,
}: ViewDefinition): { readonly column: string; readonly output: FeatureOutput }[] {
  return Object.entries(aggregates).flatMap(([name, aggregate]) => {
    const output = outputOf(aggregate, source.layout);
    return windows.map((window) => ({ column: `${snakeCase(name)}_${window}`, output }));
  });
}
