import { createHash } from "node:crypto";
import { type Encoded, encoded, encodingVerb, type HasText } from "./encoding.ts";

/** 1 where it is the text. */
export interface OneHotEncoding {
  readonly kind: "one-hot";
  readonly value: string;
}

type Letter = "a" | "b" | "c" | "d" | "e" | "f" | "g" | "h" | "i" | "j" | "k" | "l" | "m";
type Later = "n" | "o" | "p" | "q" | "r" | "s" | "t" | "u" | "v" | "w" | "x" | "y" | "z";
type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";

type IsPlain<S extends string> = S extends `${Letter | Later | Digit | "_"}${infer Rest}`
  ? Rest extends ""
    ? true
    : IsPlain<Rest>
  : false;

/** What the name of the feature of a text ends with; of one that is no name, its shape alone. */
type SuffixOf<V extends string, All extends string> = string extends V
  ? string
  : V extends string
    ? IsPlain<Lowercase<V>> extends true
      ? Lowercase<V> extends Lowercase<Exclude<All, V>>
        ? `${string}_${string}`
        : Lowercase<V>
      : `${string}_${string}`
    : never;

const valuesMax = 100;
const charactersMax = 1_000;

/**
 * A feature for each of the texts, 1 where the field is that text, unit by unit, and 0 otherwise:
 * all are 0 for a text that is not among them, and all are missing where the field is null. They
 * are called `name_text`, in lower case.
 *
 * A text that is no name has its hash in it: the first 20 of its letters a to z, digits and _ in
 * lower case (anything between them is one _), and 16 digits of the SHA-256 of its UTF-8 in hex:
 * `South Tyrol` is `south_tyrol_c6ef3875e8595517`. No name are texts of other characters or of
 * none, of more than 40, those that end as such a name does, and all that differ in case alone.
 *
 * @param values - 1 to 100 texts of up to 1,000 characters.
 * @example request: { country: oneHot("country", ["DE", "FR"]) } // country_de, country_fr
 */
export const oneHot = encodingVerb(
  <F extends string, const V extends readonly [string, ...string[]]>(
    field: F,
    values: V,
  ): Encoded<HasText<F>, SuffixOf<V[number], V[number]>> => {
    const suffixes = suffixesOf(values);
    const encodings = values.map((value, i) => {
      const encoding: OneHotEncoding = { kind: "one-hot", value };
      return { suffix: suffixes[i] as string, encoding };
    });
    return encoded(field, encodings, problemOf(values, suffixes));
  },
  {
    kind: "one-hot",
    encoder: ({ value }: OneHotEncoding) => {
      return (text) => (text === value ? 1 : 0);
    },
    text: ({ value }, field) => `${field} is ${JSON.stringify(value)}`,
    only: ({ value }, feature) => {
      const hashed = `_${hashedName(value)}`;
      const end = feature.endsWith(hashed) ? hashed.length : value.length + 1;
      return { name: feature.slice(0, -end), text: value };
    },
  },
);

function suffixesOf(values: readonly string[]): string[] {
  const folded = new Map<string, Set<string>>();
  for (const value of values) {
    const lower = value.toLowerCase();
    folded.set(lower, (folded.get(lower) ?? new Set()).add(value));
  }
  return values.map((value) => {
    const lower = value.toLowerCase();
    const isName = namePattern.test(value) && !hashedPattern.test(lower);
    return isName && folded.get(lower)?.size === 1 ? lower : hashedName(value);
  });
}

const namePattern = /^[A-Za-z0-9_]{1,40}$/;
const hashedPattern = /_[0-9a-f]{16}$/;

function hashedName(text: string): string {
  const shown = text
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .slice(0, 20)
    .replace(/^_+|_+$/g, "");
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return `${shown === "" ? "text" : shown.toLowerCase()}_${hash}`;
}

function problemOf(values: readonly string[], suffixes: readonly string[]): string | null {
  if (values.length === 0) return "oneHot() needs texts";
  if (values.length > valuesMax) return `oneHot() takes ${valuesMax} texts at most`;
  if (values.some(({ length }) => length > charactersMax)) {
    return `oneHot() takes texts of ${charactersMax} characters at most`;
  }
  return new Set(suffixes).size === suffixes.length ? null : "oneHot() names a text twice";
}
