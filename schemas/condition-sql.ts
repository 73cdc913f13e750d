import { type Condition, conditionText } from "./expression.ts";
import type { RowLayout } from "./row-layout.ts";
import { quoteName, quoteText } from "./sql-text.ts";

/**
 * Why SQL cannot say a condition on such records: it cannot repeat a closure, and orders texts by
 * their bytes, not by UTF-16; null where it can.
 */
export function conditionGap(condition: Condition, records: RowLayout): string | null {
  switch (condition.op) {
    case "custom":
      return `${conditionText(condition)} is a closure`;
    case "not":
      return conditionGap(condition.condition, records);
    case "and":
    case "or":
      return firstGap(condition.all.map((part) => conditionGap(part, records)));
    case "eq":
    case "neq":
      return null;
    default: {
      const { field } = condition;
      const isText = records.fields.find(({ name }) => name === field)?.type === "text";
      return isText ? `${conditionText(condition)} orders texts` : null;
    }
  }
}

/** The first of some reasons, if there is any. */
export function firstGap(gaps: readonly (string | null)[]): string | null {
  return gaps.find((gap) => gap !== null) ?? null;
}

/** The fields that a condition compares. */
export function fieldsOfCondition(condition: Condition): readonly string[] {
  switch (condition.op) {
    case "custom":
      return [];
    case "not":
      return fieldsOfCondition(condition.condition);
    case "and":
    case "or":
      return condition.all.flatMap(fieldsOfCondition);
    default:
      return [condition.field, ...("other" in condition ? [condition.other] : [])];
  }
}

/**
 * A condition in ClickHouse's SQL, over columns named as the fields.
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
      const right = "other" in condition ? column(condition.other) : constantSql(condition.value);
      return `(${column(condition.field)} ${symbol} ${right})`;
    }
  }
}

function constantSql(value: string | number | bigint | boolean): string {
  if (typeof value === "string") return quoteText(value);
  return String(typeof value === "boolean" ? Number(value) : value);
}
