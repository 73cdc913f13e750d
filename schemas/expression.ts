import { thrownText } from "./plain-text.ts";

/** A field's value in a decoded record; anything else (records, arrays) is no operand. */
export type Scalar = string | number | bigint | boolean | null;

/**
 * A condition over one record, as data, so that `describe()` can print it and plans can be
 * compared.
 */
export type Condition =
  | {
      readonly op: "gt" | "gte" | "lt" | "lte" | "eq" | "neq";
      readonly field: string;
      readonly value: Exclude<Scalar, null>;
    }
  | {
      readonly op: "gt" | "gte" | "lt" | "lte" | "eq" | "neq";
      readonly field: string;
      /** Another field of the same record. */
      readonly other: string;
    }
  | { readonly op: "and" | "or"; readonly all: readonly Condition[] }
  | { readonly op: "not"; readonly condition: Condition }
  | {
      /** A closure; its name and version stand for it in comparisons. */
      readonly op: "custom";
      readonly name: string;
      readonly version: number;
      readonly test: (record: Readonly<Record<string, unknown>>) => boolean;
    };

/** A condition on records that have the fields of `R`; any record type with them will do. */
export interface Test<in R> {
  readonly condition: Condition;
  /** Only a type: what the condition reads. */
  readonly __reads?: (record: R) => void;
}

/** A closure that has no answer for a record, which is a dead letter for that. */
export class ClosureFailure extends Error {
  override readonly name = "ClosureFailure";
  readonly code = "CLOSURE_FAILED";
  readonly facts: { readonly name: string; readonly reason: string };

  constructor(name: string, reason: string, options?: ErrorOptions) {
    super(`${name} ${reason}`, options);
    this.facts = { name, reason };
  }
}

/**
 * Truth of a condition; a comparison with a field that is missing, null or NaN is `null` (unknown),
 * as in SQL.
 *
 * @throws {ClosureFailure} where a custom test throws, or gives neither true nor false.
 */
export function evaluate(
  condition: Condition,
  record: Readonly<Record<string, unknown>>,
): boolean | null {
  switch (condition.op) {
    case "custom":
      return answer(condition, record);
    case "not": {
      const truth = evaluate(condition.condition, record);
      return truth === null ? null : !truth;
    }
    case "and":
    case "or": {
      const decisive = condition.op === "or";
      let unknown = false;
      for (const part of condition.all) {
        const truth = evaluate(part, record);
        if (truth === decisive) return decisive;
        if (truth === null) unknown = true;
      }
      return unknown ? null : !decisive;
    }
    default: {
      const left = record[condition.field] as Scalar | undefined;
      if (left === null || left === undefined || Number.isNaN(left)) return null;
      const right =
        "other" in condition ? (record[condition.other] as Scalar | undefined) : condition.value;
      if (right === null || right === undefined || Number.isNaN(right)) return null;
      switch (condition.op) {
        case "gt":
          return left > right;
        case "gte":
          return left >= right;
        case "lt":
          return left < right;
        case "lte":
          return left <= right;
        case "eq":
          return isEqual(left, right);
        case "neq":
          return !isEqual(left, right);
      }
    }
  }
}

function answer(
  condition: Extract<Condition, { readonly op: "custom" }>,
  record: Readonly<Record<string, unknown>>,
): boolean {
  let truth: unknown;
  try {
    truth = condition.test(record);
  } catch (cause) {
    throw new ClosureFailure(conditionText(condition), `threw: ${thrownText(cause)}`, { cause });
  }
  if (typeof truth === "boolean") return truth;
  const given = truth === null ? "null" : typeof truth;
  throw new ClosureFailure(conditionText(condition), `gave ${given}, neither true nor false`);
}

/** Whether closures are asked for the truth of a condition. */
export function asksClosures(condition: Condition): boolean {
  switch (condition.op) {
    case "custom":
      return true;
    case "not":
      return asksClosures(condition.condition);
    case "and":
    case "or":
      return condition.all.some(asksClosures);
    default:
      return false;
  }
}

/** A number and a whole number beyond the exact doubles are compared by what they are. */
function isEqual(left: Exclude<Scalar, null>, right: Exclude<Scalar, null>): boolean {
  if (left === right) return true;
  const isMixed =
    (typeof left === "bigint" && typeof right === "number") ||
    (typeof left === "number" && typeof right === "bigint");
  return isMixed && left <= right && left >= right;
}

const symbols = { gt: ">", gte: "≥", lt: "<", lte: "≤", eq: "=", neq: "≠" } as const;

/** A condition as text, e.g. `delayMinutes > 15`. */
export function conditionText(condition: Condition): string {
  switch (condition.op) {
    case "custom":
      return `${condition.name}#${condition.version}`;
    case "not":
      return `not (${conditionText(condition.condition)})`;
    case "and":
    case "or":
      return `(${condition.all.map(conditionText).join(` ${condition.op} `)})`;
    default: {
      const right = "other" in condition ? condition.other : constantText(condition.value);
      return `${condition.field} ${symbols[condition.op]} ${right}`;
    }
  }
}

function constantText(value: Exclude<Scalar, null>): string {
  return typeof value === "bigint" ? `${value}n` : JSON.stringify(value);
}
