import type { Condition } from "../../../schemas/expression.ts";
import type { SourceSpec } from "../../../schemas/plan.ts";
import { layoutField, scalarKind, typeText } from "./layout-field.ts";
import type { Problems } from "./problems.ts";

/** What a condition is asked about. */
type Records = Pick<SourceSpec, "topic" | "layout">;

/** Checks that a condition fits the records that it will be asked about. */
export function checkCondition(
  problems: Problems,
  where: string,
  condition: Condition,
  records: Records,
): void {
  switch (condition.op) {
    case "and":
    case "or":
      problems.check(condition.all.length > 0, where, `${condition.op}() has no test`);
      for (const part of condition.all) checkCondition(problems, where, part, records);
      return;
    case "not":
      checkCondition(problems, where, condition.condition, records);
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
      if ("other" in condition) checkFields(problems, where, condition, records);
      else checkValue(problems, where, condition, records);
  }
}

type Comparison = Extract<Condition, { readonly field: string }>;

/** Two fields of a record are compared as what both are. */
function checkFields(
  problems: Problems,
  where: string,
  { op, field, other }: Extract<Comparison, { readonly other: string }>,
  records: Records,
): void {
  const [left, right] = [layoutField(records.layout, field), layoutField(records.layout, other)];
  for (const [name, found] of [[field, left] as const, [other, right] as const]) {
    problems.check(
      found !== null,
      where,
      `${op}("${name}", …): ${records.topic} has no such field`,
    );
  }
  if (left === null || right === null) return;
  problems.check(
    scalarKind(left) !== null && scalarKind(left) === scalarKind(right),
    where,
    `${op}("${field}", field("${other}")) compares a field of type ${typeText(left)} with one of type ` +
      typeText(right),
  );
}

function checkValue(
  problems: Problems,
  where: string,
  { op, field: name, value }: Extract<Comparison, { readonly value: unknown }>,
  records: Records,
): void {
  const field = layoutField(records.layout, name);
  const kind = field === null ? null : scalarKind(field);
  problems.check(
    kind === (typeof value === "bigint" ? "number" : typeof value),
    where,
    field === null
      ? `${op}("${name}", …): ${records.topic} has no such field`
      : `${op}("${name}", …) compares a field of type ${typeText(field)} with a ${typeof value}`,
  );
  problems.check(
    typeof value !== "number" || Number.isFinite(value),
    where,
    `${op}("${name}", ${value}) needs a finite number`,
  );
  problems.check(
    typeof value !== "string" || layoutField(records.layout, value) === null,
    where,
    `${op}("${name}", "${value}") compares with a text that is the name of a field: write ` +
      `field("${value}") for the field, or custom() for the text`,
  );
}
