import type { Scalar } from "../../schemas/expression.ts";
import type { RuleSpec } from "../../schemas/steps/rules.ts";
import type { Test } from "./conditions.ts";
import { freezeDeeply } from "./freeze.ts";

/** A rule on records that have the fields of `R`. */
export interface Rule<in R> {
  readonly rule: RuleSpec;
  /** Only a type: what it reads. */
  readonly __reads?: (record: R) => void;
}

/** What rules read: the record, its features under `features.<name>`, and the `probability`. */
export type RuleRecord<T, Feature extends string> = T & {
  readonly [F in `features.${Feature}`]: number | null;
} & { readonly probability: number };

type Value = Exclude<Scalar, null>;
type Wide<V extends Value> = V extends string
  ? string
  : V extends number | bigint
    ? number | bigint
    : boolean;

/**
 * Where the test holds, this probability is the answer, whatever the model says. Of several rules
 * the first that holds answers, and the prediction has its name.
 *
 * @param name - lower-case letters, digits, _ and -.
 * @example override("tiny amounts pass", lt("amount", 1), 0)
 */
export function override<R>(name: string, when: Test<R>, probability: number): Rule<R> {
  const { condition } = when;
  return freezeDeeply({ rule: { kind: "override", name, when: condition, probability } } as const);
}

/**
 * Where the field of the record has one of the values, this probability is the answer, as by
 * {@link override}.
 *
 * @example blockList("stolen", "card", ["4711", "4712"], 1)
 */
export function blockList<F extends string, V extends Value>(
  name: string,
  field: F,
  listed: readonly V[],
  probability: number,
): Rule<{ readonly [K in F]: Wide<V> | null }> {
  const values = listed.map((value) => {
    const near = Number(value);
    return typeof value === "bigint" && Number.isSafeInteger(near) ? near : value;
  });
  return freezeDeeply({ rule: { kind: "blockList", name, field, values, probability } } as const);
}

/**
 * Decides: the prediction's `decision` is whether its probability is at least `at`. Of several
 * thresholds the first whose test holds decides, so segments come before what holds for all.
 *
 * @param when - the segment. @default all records
 * @example threshold("large amounts", 0.4, gt("amount", 1000))
 */
export function threshold<R = unknown>(name: string, at: number, when?: Test<R>): Rule<R> {
  const { condition = null } = when ?? {};
  return freezeDeeply({ rule: { kind: "threshold", name, at, when: condition } } as const);
}

/** Where the values of a feature are expected; both ends are within, and so is a missing value. */
export interface Range {
  /** @default −Infinity */
  readonly min?: number;
  /** @default Infinity */
  readonly max?: number;
  /**
   * `"flag"`: the prediction names the feature in `flags`. `"refuse"`: so it does, and no model is
   * asked; the fallback's prior answers, with the reason "out of range".
   */
  readonly outside: "flag" | "refuse";
}
