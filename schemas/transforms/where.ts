import { conditionGap, conditionSql, fieldsOfCondition } from "../condition-sql.ts";
import { type Condition, conditionText, evaluate } from "../expression.ts";
import type { TransformKind } from "./transform.ts";

export interface WhereSpec {
  readonly kind: "where";
  readonly condition: Condition;
}

/** Records for which a condition holds; where that is unknown they are left out. */
export const where: TransformKind<WhereSpec> = {
  kind: "where",
  apply:
    ({ condition }) =>
    (record) =>
      evaluate(condition, record) === true ? record : null,
  layout: ({ condition }, records, check) => {
    check.condition(condition, records);
    return records;
  },
  copied: (_, field) => field,
  reads: ({ condition }) => fieldsOfCondition(condition),
  keepsAll: false,
  sql: ({ condition }, { select }) =>
    `SELECT * FROM (${select}) WHERE ${conditionSql(condition, "")}`,
  sqlGap: ({ condition }, records) => conditionGap(condition, records),
  text: ({ condition }) => `where ${conditionText(condition)}`,
};
