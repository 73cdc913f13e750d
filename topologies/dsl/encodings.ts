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

/**
 * A feature for each of the texts, 1 where the field is that text and 0 otherwise: all are 0 for a
 * text that is not among them, and all are missing where the field is null. They are called
 * `name_text`, in lower case.
 *
 * @param values - one to 100 texts, each of 1 to 40 of the letters a to z in either case, digits
 * and _; not two that differ in case alone. `hashed` takes any text.
 * @example request: { country: oneHot("country", ["DE", "FR"]) } // country_de, country_fr
 */
export function oneHot<F extends string, const V extends readonly [string, ...string[]]>(
  field: F,
  values: V,
): Encoded<HasText<F>, Lowercase<V[number]>> {
  const encodings = values.map((value) => ({
    suffix: value.toLowerCase(),
    encoding: { kind: "one-hot", value } as const,
  }));
  return freezeDeeply({ field, encodings });
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

/** What is wrong with an encoding, by itself; null: nothing. */
export function encodedProblem({ encodings }: Encoded<never, string>): string | null {
  const suffixes = encodings.map(({ suffix }) => suffix);
  if (encodings.some(({ encoding }) => encoding.kind === "hashed")) {
    const isRight = encodings.length >= 2 && encodings.length <= bucketsMax;
    return isRight ? null : `hashed() needs 2 to ${bucketsMax} buckets`;
  }
  if (encodings.length === 0) return "needs texts for oneHot(), or 2 to 256 buckets for hashed()";
  if (encodings.length > valuesMax) return `oneHot() takes ${valuesMax} texts at most`;
  const odd = suffixes.find((suffix) => !/^[a-z0-9_]{1,40}$/.test(suffix));
  if (odd !== undefined) {
    const shown = JSON.stringify(odd);
    return `oneHot(${shown}) needs texts of 1 to 40 of the letters a to z, digits and _`;
  }
  const isUnique = new Set(suffixes).size === suffixes.length;
  return isUnique ? null : "oneHot() names a text twice, or two that differ in case alone";
}
