import type { Condition } from "../../schemas/expression.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import { quoteName, quoteText } from "../../sinks/sql-text.ts";

/**
 * Whether SQL can say a condition: it cannot repeat a closure, and orders texts by their bytes, not
 * by UTF-16.
 */
export function isPlain(condition: Condition | undefined, records: RowLayout): boolean {
  if (condition === undefined) return true;
  if (condition.op === "custom") return false;
  if ("condition" in condition) return isPlain(condition.condition, records);
  if ("all" in condition) return condition.all.every((part) => isPlain(part, records));
  if (condition.op === "eq" || condition.op === "neq") return true;
  return records.fields.find(({ name }) => name === condition.field)?.type !== "text";
}

/** The fields that a condition compares. */
export function fieldsOfCondition(condition: Condition | undefined): string[] {
  if (condition === undefined || condition.op === "custom") return [];
  if ("condition" in condition) return fieldsOfCondition(condition.condition);
  if ("all" in condition) return condition.all.flatMap(fieldsOfCondition);
  return [condition.field, ...("other" in condition ? [condition.other] : [])];
}

/**
 * A condition over columns named as the fields.
 *
 * @param prefix - what stands before each column, e.g. `e.`.
 * @throws {RangeError} for a closure.
 */
export function conditionSql(condition: Condition, prefix: string): string {
  switch (condition.op) {
    case "custom":
      throw new RangeError(`SQL cannot compute the closure ${condition.name}`);
    case "not":
      return `(NOT ${conditionSql(condition.condition, prefix)})`;
    case "and":
    case "or": {
      const parts = condition.all.map((part) => conditionSql(part, prefix));
      return `(${parts.join(` ${condition.op.toUpperCase()} `)})`;
    }
    default: {
      const symbol = { gt: ">", gte: ">=", lt: "<", lte: "<=", eq: "=", neq: "!=" }[condition.op];
      const column = (field: string) => `${prefix}${quoteName(field)}`;
      const right =
        "other" in condition
          ? column(condition.other)
          : typeof condition.value === "string"
            ? quoteText(condition.value)
            : typeof condition.value === "boolean"
              ? Number(condition.value)
              : condition.value;
      return `(${column(condition.field)} ${symbol} ${right})`;
    }
  }
}
