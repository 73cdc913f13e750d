import { conditionGap, conditionSql, fieldsOfCondition, firstGap } from "../condition-sql.ts";
import { type Condition, conditionText, evaluate } from "../expression.ts";
import type { RowField, RowLayout } from "../row-layout.ts";
import { quoteName } from "../sql-text.ts";
import type { Fields, TransformCheck, TransformKind } from "./transform.ts";

/** How a field of a record is made of those of another. */
export type Expression =
  | { readonly op: "field"; readonly field: string }
  /** Text of a field in one case, by Unicode's mapping that depends on no language. */
  | { readonly op: "upper" | "lower"; readonly field: string }
  /** Truth of a condition; null where it is unknown. */
  | { readonly op: "truth"; readonly condition: Condition };

export interface SelectSpec {
  readonly kind: "select";
  readonly fields: readonly { readonly name: string; readonly value: Expression }[];
}

/** Records of the fields that are named, and of no others. */
export const select: TransformKind<SelectSpec> = {
  kind: "select",
  apply: ({ fields }) => {
    const makers = fields.map(({ name, value }) => ({ name, make: maker(value) }));
    return (record) => {
      const made: Record<string, unknown> = {};
      for (const { name, make } of makers) made[name] = make(record);
      return made;
    };
  },
  layout: ({ fields }, records, check) => {
    if (fields.length === 0) check.problem("select() names no field");
    return {
      fields: fields.flatMap(({ name, value }) => {
        if (!/^[A-Za-z_]\w{0,79}$/.test(name) || name === "__proto__") {
          check.problem(`select() makes a field "${name}": write up to 80 letters, digits and _`);
        }
        return typeOf(name, value, records, check);
      }),
    };
  },
  copied: ({ fields }, field) => {
    const value = fields.find(({ name }) => name === field)?.value;
    return value?.op === "field" ? value.field : null;
  },
  reads: ({ fields }) => fields.flatMap(({ value }) => fieldsIn(value)),
  keepsAll: true,
  sql: ({ fields }, { select: taken, carried }) => {
    const made = fields.map(({ name, value }) => `${expressionSql(value)} AS ${quoteName(name)}`);
    // What is made may have the name of what it is made of: that is read as `before.name`.
    return `SELECT ${[...carried, ...made].join(", ")} FROM (${taken}) AS before`;
  },
  sqlGap: ({ fields }, records) =>
    firstGap(
      fields.map(({ value }) =>
        value.op === "truth" ? conditionGap(value.condition, records) : null,
      ),
    ),
  text: ({ fields }) =>
    `select ${fields.map(({ name, value }) => `${name} = ${expressionText(value)}`).join(", ")}`,
};

function maker(value: Expression): (record: Fields) => unknown {
  switch (value.op) {
    case "field": {
      const { field } = value;
      return (record) => record[field] ?? null;
    }
    case "upper":
    case "lower": {
      const { op, field } = value;
      return (record) => {
        const text = record[field];
        if (typeof text !== "string") return null;
        return op === "upper" ? text.toUpperCase() : text.toLowerCase();
      };
    }
    case "truth": {
      const { condition } = value;
      return (record) => evaluate(condition, record);
    }
  }
}

function typeOf(
  name: string,
  value: Expression,
  records: RowLayout,
  check: TransformCheck,
): RowField[] {
  if (value.op === "truth") {
    check.condition(value.condition, records);
    return [{ name, type: "boolean", nullable: true }];
  }
  const found = records.fields.find((each) => each.name === value.field);
  if (found === undefined) {
    check.problem(`select() takes "${value.field}", and there is no such field`);
    return [];
  }
  if (value.op !== "field" && found.type !== "text") {
    check.problem(`${value.op}("${value.field}") needs a field that is text`);
  }
  return [{ ...found, name }];
}

function fieldsIn(value: Expression): readonly string[] {
  return value.op === "truth" ? fieldsOfCondition(value.condition) : [value.field];
}

function expressionSql(value: Expression): string {
  switch (value.op) {
    case "field":
      return `before.${quoteName(value.field)}`;
    case "upper":
    case "lower":
      return `${value.op}UTF8(before.${quoteName(value.field)})`;
    case "truth":
      return `CAST(${conditionSql(value.condition, "before.")}, 'Nullable(Bool)')`;
  }
}

function expressionText(value: Expression): string {
  switch (value.op) {
    case "field":
      return value.field;
    case "truth":
      return conditionText(value.condition);
    default:
      return `${value.op}(${value.field})`;
  }
}
