/** Features that are made of a text, one a number; `Suffix` is what their names end with. */
export interface Encoded<in R, out Suffix extends string> {
  readonly field: string;
  /** By what the name of each feature ends with. */
  readonly encodings: readonly { readonly suffix: string; readonly encoding: AnyEncoding }[];
  /** What is wrong with it, by itself; null: nothing. */
  readonly problem: string | null;
  /** Only a type: what it reads. */
  readonly __reads?: (record: R) => void;
  /** Only a type: the names. */
  readonly __suffix?: Suffix;
}

/** What a record has of which a text is made a number. */
export type HasText<F extends string> = { readonly [K in F]: string | null };

/** How one number is made of a text, as a plan tells of it: its kind is one of `kinds.ts`. */
export interface AnyEncoding {
  readonly kind: string;
}

/**
 * All about one kind of encoding behind its verb. Each stands in a file of its own, and `kinds.ts`
 * lists them: whatever else has to know of an encoding reads it here.
 */
export interface EncodingKind<Spec extends AnyEncoding> {
  /** Its name in a plan. */
  readonly kind: Spec["kind"];
  /** What makes the number of a text. */
  readonly encoder: (spec: Spec) => (text: string) => number;
  /** For people, of a field. */
  readonly text: (spec: Spec, field: string) => string;
  /**
   * Of one that is 1 for one text alone: that text, and what the name of its feature says before
   * it. @default it is 1 for many
   */
  readonly only?: (spec: Spec, feature: string) => { readonly name: string; readonly text: string };
}

/** What users write, with what it stands for: `oneHot(…)` gives specs of `oneHot.encoding`. */
export function encodingVerb<Verb extends (...given: never[]) => unknown, Spec extends AnyEncoding>(
  verb: Verb,
  encoding: EncodingKind<Spec>,
): Verb & { readonly encoding: EncodingKind<Spec> } {
  return Object.assign(verb, { encoding });
}

/** Frozen, as all that a topology is told. */
export function encoded<R, Suffix extends string>(
  field: string,
  encodings: readonly { readonly suffix: string; readonly encoding: AnyEncoding }[],
  problem: string | null,
): Encoded<R, Suffix> {
  const frozen = encodings.map(({ suffix, encoding }) =>
    Object.freeze({ suffix, encoding: Object.freeze(encoding) }),
  );
  return Object.freeze({ field, encodings: Object.freeze(frozen), problem });
}
