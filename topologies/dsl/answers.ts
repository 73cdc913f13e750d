import type { RowField } from "../../schemas/row-layout.ts";
import { rangeTells, routeTells, ruleTells, toldFields } from "../../schemas/steps/rules.ts";
import type { StreamDefinition } from "./definitions.ts";
import type { LookupDefinition } from "./lookup.ts";

/** Fields of an answer, as features of predictions and of outcomes may be made of them. */
export const answerFields: readonly RowField[] = [
  { name: "probability", type: "number", nullable: false },
  { name: "fallback", type: "boolean", nullable: false },
  { name: "model", type: "text", nullable: false },
  { name: "version", type: "text", nullable: true },
];

/** What a step with rules, ranges or routes tells besides. */
export function toldIn({
  rules,
  ranges,
  routed,
}: {
  readonly rules: unknown;
  readonly ranges: unknown;
  readonly routed: unknown;
}): RowField[] {
  const tells = [
    ...(rules ? ruleTells : []),
    ...(ranges ? rangeTells : []),
    ...(routed ? routeTells : []),
  ];
  return toldFields({ tells }).map(({ doc: _, ...field }) => field);
}

/** What they are told apart by: the id of the record that was scored. */
export function idOf({ layout, idField }: StreamDefinition): RowField[] {
  return layout.fields.flatMap((field) =>
    field.name === idField ? [{ ...field, name: "id" }] : [],
  );
}

/** Fields of the record that was scored which made entity keys, in the order of its layout. */
export function keysOf({
  source,
  lookups,
}: {
  readonly source: StreamDefinition;
  readonly lookups: Readonly<Record<string, LookupDefinition>>;
}): RowField[] {
  const names = new Set(Object.values(lookups).flatMap(({ fields }) => fields));
  return source.layout.fields.filter(({ name }) => names.has(name));
}

/** The same as predictions and outcomes tell of them: under their paths. */
export function keyPaths(keys: readonly RowField[]): RowField[] {
  return keys.map((field) => ({ ...field, name: `keys.${field.name}` }));
}
