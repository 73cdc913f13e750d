import type { Condition } from "../../../schemas/expression.ts";
import type { AvroSchema } from "../../../schemas/plan.ts";
import { avroField, scalarKind } from "./avro-field.ts";
import type { Problems } from "./problems.ts";

/** Checks that a condition fits the records that it will be asked about. */
export function checkCondition(
  problems: Problems,
  where: string,
  condition: Condition,
  schema: AvroSchema,
): void {
  switch (condition.op) {
    case "and":
    case "or":
      problems.check(condition.all.length > 0, where, `${condition.op}() has no test`);
      for (const part of condition.all) checkCondition(problems, where, part, schema);
      return;
    case "not":
      checkCondition(problems, where, condition.condition, schema);
      return;
    case "custom":
      problems.check(
        /^[A-Za-z]\w{0,79}$/.test(condition.name),
        where,
        `custom condition "${condition.name}" needs a name of letters, digits and _`,
      );
      problems.whole(
        where,
        `version of custom condition "${condition.name}"`,
        condition.version,
        1,
      );
      return;
    default:
      if ("other" in condition) checkFields(problems, where, condition, schema);
      else checkValue(problems, where, condition, schema);
  }
}

type Comparison = Extract<Condition, { readonly field: string }>;

/** Two fields of a record are compared as what both are. */
function checkFields(
  problems: Problems,
  where: string,
  { op, field, other }: Extract<Comparison, { readonly other: string }>,
  schema: AvroSchema,
): void {
  const [left, right] = [avroField(schema, field), avroField(schema, other)];
  for (const [name, found] of [[field, left] as const, [other, right] as const]) {
    problems.check(found !== null, where, `${op}("${name}", …): ${schema.name} has no such field`);
  }
  if (left === null || right === null) return;
  problems.check(
    scalarKind(left) !== null && scalarKind(left) === scalarKind(right),
    where,
    `${op}("${field}", field("${other}")) compares a field of type ${left.type} with one of type ` +
      right.type,
  );
}

function checkValue(
  problems: Problems,
  where: string,
  { op, field: name, value }: Extract<Comparison, { readonly value: unknown }>,
  schema: AvroSchema,
): void {
  const field = avroField(schema, name);
  const kind = field === null ? null : scalarKind(field);
  problems.check(
    kind === typeof value,
    where,
    field === null
      ? `${op}("${name}", …): ${schema.name} has no such field`
      : `${op}("${name}", …) compares a field of type ${field.type} with a ${typeof value}`,
  );
  problems.check(
    typeof value !== "number" || Number.isFinite(value),
    where,
    `${op}("${name}", ${value}) needs a finite number`,
  );
  problems.check(
    typeof value !== "string" || avroField(schema, value) === null,
    where,
    `${op}("${name}", "${value}") compares with a text that is the name of a field: write ` +
      `field("${value}") for the field, or custom() for the text`,
  );
}
