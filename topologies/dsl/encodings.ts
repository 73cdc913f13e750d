import { createHash } from "node:crypto";
import type { Encoding } from "../../schemas/encoding.ts";
import { freezeDeeply } from "./freeze.ts";

/** Features that are made of a text, one a number; `Suffix` is what their names end with. */
export interface Encoded<in R, out Suffix extends string> {
  readonly field: string;
  /** By what the name of each feature ends with. */
  readonly encodings: readonly { readonly suffix: string; readonly encoding: Encoding }[];
  /** Only a type: what it reads. */
  readonly __reads?: (record: R) => void;
  /** Only a type: the names. */
  readonly __suffix?: Suffix;
}

type HasText<F extends string> = { readonly [K in F]: string | null };

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
export function oneHot<F extends string, const V extends readonly [string, ...string[]]>(
  field: F,
  values: V,
): Encoded<HasText<F>, SuffixOf<V[number], V[number]>> {
  const folded = new Map<string, Set<string>>();
  for (const value of values) {
    const lower = value.toLowerCase();
    folded.set(lower, (folded.get(lower) ?? new Set()).add(value));
  }
  const encodings = values.map((value) => {
    const lower = value.toLowerCase();
    const isName = namePattern.test(value) && !hashedPattern.test(lower);
    const suffix = isName && folded.get(lower)?.size === 1 ? lower : hashedName(value);
    return { suffix, encoding: { kind: "one-hot", value } as const };
  });
  return freezeDeeply({ field, encodings });
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

/**
 * A feature for each bucket, 1 where the text falls into it: that is the murmur2 of its UTF-8 as
 * Kafka's partitioner has it, `(murmur2 & 0x7fffffff) mod buckets`. No text is unknown; all are
 * missing where the field is null. They are called `name_hash_0` and so on.
 *
 * @param buckets - 2 to 256.
 * @example request: { shop: hashed("shop", 16) }
 */
export function hashed<F extends string>(
  field: F,
  buckets: number,
): Encoded<HasText<F>, `hash_${bigint}`> {
  const count = Number.isInteger(buckets) ? Math.max(0, Math.min(buckets, bucketsMax + 1)) : 0;
  const encodings = Array.from({ length: count }, (_, bucket) => ({
    suffix: `hash_${bucket}`,
    encoding: { kind: "hashed", buckets, bucket } as const,
  }));
  return freezeDeeply({ field, encodings });
}

const bucketsMax = 256;
const valuesMax = 100;
const charactersMax = 1_000;

/** What is wrong with an encoding, by itself; null: nothing. */
export function encodedProblem({ encodings }: Encoded<never, string>): string | null {
  const suffixes = encodings.map(({ suffix }) => suffix);
  if (encodings.some(({ encoding }) => encoding.kind === "hashed")) {
    const isRight = encodings.length >= 2 && encodings.length <= bucketsMax;
    return isRight ? null : `hashed() needs 2 to ${bucketsMax} buckets`;
  }
  if (encodings.length === 0) return "needs texts for oneHot(), or 2 to 256 buckets for hashed()";
  if (encodings.length > valuesMax) return `oneHot() takes ${valuesMax} texts at most`;
  const long = encodings.some(
    ({ encoding }) => encoding.kind === "one-hot" && encoding.value.length > charactersMax,
  );
  if (long) return `oneHot() takes texts of ${charactersMax} characters at most`;
  const isUnique = new Set(suffixes).size === suffixes.length;
  return isUnique ? null : "oneHot() names a text twice";
}
