import { partitionOf } from "./murmur2.ts";

/** How a text becomes a number of a feature vector: 1 or 0; NaN (missing) where it is null. */
export type Encoding =
  /** 1 where it is the text. */
  | { readonly kind: "one-hot"; readonly value: string }
  /** 1 where the murmur2 of its UTF-8, modulo the buckets, is the bucket. */
  | { readonly kind: "hashed"; readonly buckets: number; readonly bucket: number };

export function encode(encoding: Encoding, value: unknown): number {
  if (typeof value !== "string") return Number.NaN;
  switch (encoding.kind) {
    case "one-hot":
      return value === encoding.value ? 1 : 0;
    case "hashed":
      return partitionOf(value, encoding.buckets) === encoding.bucket ? 1 : 0;
  }
}

/** For people, of a field. */
export function encodingText(encoding: Encoding, field: string): string {
  return encoding.kind === "one-hot"
    ? `${field} is ${JSON.stringify(encoding.value)}`
    : `${field} is in bucket ${encoding.bucket} of ${encoding.buckets}`;
}
