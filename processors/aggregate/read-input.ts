import { type Condition, evaluate } from "../../schemas/expression.ts";
import type { AggregateInput } from "../../schemas/feature-view.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads one input of aggregates off a record: a field, the truth of a condition, or 1 for the
 * record itself; NaN where it is null or unknown, and where `where` does not hold.
 */
export function readInput({ field, condition, where }: AggregateInput, record: Fields): number {
  if (where !== undefined && evaluate(where, record) !== true) return Number.NaN;
  if (field !== undefined) return numberOf(record[field]);
  return condition === undefined ? 1 : truthOf(condition, record);
}

/** 1 where a condition holds, 0 where not, NaN where that is unknown. */
export function truthOf(condition: Condition, record: Fields): number {
  const truth = evaluate(condition, record);
  return truth === null ? Number.NaN : Number(truth);
}

/** Number of a field's value; NaN for null and whatever is no number. */
export function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "bigint" || typeof value === "boolean" ? Number(value) : Number.NaN;
}
