import { type Condition, evaluate, type Scalar } from "../../schemas/expression.ts";
import type { AggregateInput } from "../../schemas/feature-view.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads one input of aggregates off a record: a field, the truth of a condition, or 1 for the
 * record itself; NaN where it is null or unknown, and where `where` does not hold.
 */
export function readInput(input: AggregateInput, record: Fields): number {
  const { field, identity, condition, where } = input;
  if (where !== undefined && evaluate(where, record) !== true) return Number.NaN;
  if (identity && field !== undefined) return identityOf(record[field]);
  if (field !== undefined) return numberOf(record[field]);
  return condition === undefined ? 1 : truthOf(condition, record);
}

/** Reads an input that has a type; null where it is null, and where `where` does not hold. */
export function readValue({ field, where }: AggregateInput, record: Fields): Scalar {
  if (field === undefined) return null;
  if (where !== undefined && evaluate(where, record) !== true) return null;
  return (record[field] ?? null) as Scalar;
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

/** A number that stands for a scalar: itself, or 53 bits of a hash of what is no double. */
export function identityOf(value: unknown): number {
  const isText = typeof value === "string" || typeof value === "bigint";
  return isText ? hashOf(String(value)) : numberOf(value);
}

/** @see Appleby, MurmurHash3: the mixing of 32 bits, over the UTF-16 units of a text. */
function hashOf(text: string): number {
  let high = 0x9747b28c;
  let low = 0x3c6ef372;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = stirred(high, unit, 0xcc9e2d51, 0x1b873593);
    low = stirred(low, unit, 0x239b961b, 0xab0e9789);
  }
  return (mixed(high ^ text.length) & 0x1fffff) * 2 ** 32 + mixed(low ^ text.length);
}

function stirred(hash: number, unit: number, first: number, second: number): number {
  const product = Math.imul(unit, first);
  const mix = hash ^ Math.imul((product << 15) | (product >>> 17), second);
  return (Math.imul((mix << 13) | (mix >>> 19), 5) + 0xe6546b64) | 0;
}

/** The finalizer of MurmurHash3: an unsigned whole number of 32 bits. */
export function mixed(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
