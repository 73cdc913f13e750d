import type { RowField } from "../../schemas/row-layout.ts";
import type { StreamDefinition } from "./definitions.ts";

/** Fields of an answer, as features of predictions and of outcomes may be made of them. */
export const answerFields: readonly RowField[] = [
  { name: "probability", type: "number", nullable: false },
  { name: "fallback", type: "boolean", nullable: false },
  { name: "model", type: "text", nullable: false },
  { name: "version", type: "text", nullable: true },
];

/** What they are told apart by: the id of the record that was scored. */
export function idOf({ layout, idField }: StreamDefinition): RowField[] {
  return layout.fields.flatMap((field) =>
    field.name === idField ? [{ ...field, name: "id" }] : [],
  );
}
