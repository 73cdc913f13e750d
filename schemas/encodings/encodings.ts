import type { AnyEncoding, EncodingKind } from "./encoding.ts";
import * as kinds from "./kinds.ts";

type Kinds = typeof kinds;

/** How a text becomes a number of a feature vector: 1 or 0; NaN (missing) where it is null. */
export type Encoding = {
  [K in keyof Kinds]: Kinds[K]["encoding"] extends EncodingKind<infer Spec> ? Spec : never;
}[keyof Kinds];

const byName = new Map<string, EncodingKind<AnyEncoding>>(
  Object.values(kinds).map(({ encoding }) => [encoding.kind, encoding as never]),
);

/** What makes the number of the value of a field; NaN of what is no text. */
export function encoderOf(encoding: Encoding): (value: unknown) => number {
  const encode = kindOf(encoding).encoder(encoding);
  return (value) => (typeof value === "string" ? encode(value) : Number.NaN);
}

/** For people, of a field. */
export function encodingText(encoding: Encoding, field: string): string {
  return kindOf(encoding).text(encoding, field);
}

/**
 * Of a feature that is 1 for one text alone: that text, and what the name of the feature says
 * before it; null: it is 1 for many.
 */
export function onlyText(
  encoding: Encoding,
  feature: string,
): { readonly name: string; readonly text: string } | null {
  return kindOf(encoding).only?.(encoding, feature) ?? null;
}

function kindOf({ kind }: Encoding): EncodingKind<AnyEncoding> {
  const found = byName.get(kind);
  if (found === undefined) throw new RangeError(`there is no encoding ${kind}`);
  return found;
}
