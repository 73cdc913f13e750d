import { fieldsOfCondition } from "../condition-sql.ts";
import { type Condition, conditionText, type Scalar } from "../expression.ts";
import type { RowField } from "../row-layout.ts";

/**
 * What is done with the score of a model, or of what answers in its place. The first `override` or
 * `blockList` that holds gives the probability; then the first `threshold` that holds says yes or
 * no. One whose condition is unknown, as null makes it, does not hold.
 */
export type RuleSpec =
  | {
      readonly kind: "override";
      /** Unique in the step: predictions tell it. */
      readonly name: string;
      readonly when: Condition;
      readonly probability: number;
    }
  | {
      readonly kind: "blockList";
      readonly name: string;
      /** Of the record. */
      readonly field: string;
      readonly values: readonly Exclude<Scalar, null>[];
      readonly probability: number;
    }
  | {
      readonly kind: "threshold";
      readonly name: string;
      /** The decision is whether the probability is at least this. */
      readonly at: number;
      /** Records that it decides of; null: all. */
      readonly when: Condition | null;
    };

/** Where the values of a feature are expected, both ends included; a missing one may be. */
export interface RangeSpec {
  readonly feature: string;
  /** @default −Infinity */
  readonly min?: number;
  /** @default Infinity */
  readonly max?: number;
  /** `flag`: the prediction tells the feature; `refuse`: no model is asked, either. */
  readonly outside: "flag" | "refuse";
}

/** What a step tells of its answers besides, in predictions and in outcomes. */
export const toldColumns = {
  score: {
    type: "number",
    nullable: false,
    doc: "What the model or its fallback gave, before the rules.",
  },
  rule: {
    type: "text",
    nullable: true,
    doc: "Rule that gave the probability; null where none did.",
  },
  decision: {
    type: "boolean",
    nullable: true,
    doc: "Whether the probability reaches the threshold; null where no threshold holds.",
  },
  decidedBy: {
    type: "text",
    nullable: true,
    doc: "Threshold that decided; null where none did.",
  },
  flags: {
    type: "text",
    nullable: true,
    doc: "Features outside their range, with commas between them; null: none is.",
  },
  role: {
    type: "text",
    nullable: false,
    doc: "Who answered: champion, challenger or fallback.",
  },
  assigned: {
    type: "text",
    nullable: true,
    doc: "Version that was to answer, by the routes; null: there was none.",
  },
  rerouted: {
    type: "text",
    nullable: true,
    doc: "Why a challenger did not answer that was to: late, failed or put aside; null else.",
  },
  bucket: {
    type: "number",
    nullable: false,
    doc: "Of its key, from 0 up to 1: what routes share out.",
  },
  segment: {
    type: "text",
    nullable: true,
    doc: "Segment of its record; null: it has none.",
  },
  shadowVersion: {
    type: "text",
    nullable: true,
    doc: "Version that scored beside; null: none did.",
  },
  shadowScore: {
    type: "number",
    nullable: true,
    doc: "What that gave; null: it did not answer.",
  },
} as const satisfies Readonly<Record<string, Omit<RowField, "name">>>;

export type ToldName = keyof typeof toldColumns;

export interface ToldField extends RowField {
  readonly type: "number" | "text" | "boolean";
  readonly doc: string;
}

/** Columns of a step with rules, of one with ranges, and of one that is routed. */
export const ruleTells: readonly ToldName[] = ["score", "rule", "decision", "decidedBy"];
export const rangeTells: readonly ToldName[] = ["flags"];
export const routeTells: readonly ToldName[] = [
  ...(["role", "assigned", "rerouted", "bucket", "segment"] as const),
  ...(["shadowVersion", "shadowScore"] as const),
];

/** The columns that a step tells of its answers, in their order. */
export function toldFields({
  tells = [],
}: {
  readonly tells?: readonly ToldName[] | undefined;
}): readonly ToldField[] {
  return tells.map((name) => ({ name, ...toldColumns[name] }));
}

/** What a rule reads: fields of the record, `features.<name>`, and `probability`. */
export function fieldsOfRule(rule: RuleSpec): readonly string[] {
  if (rule.kind === "blockList") return [rule.field];
  return rule.when === null ? [] : fieldsOfCondition(rule.when);
}

export function ruleText(rule: RuleSpec): string {
  switch (rule.kind) {
    case "override":
      return `rule ${rule.name}: ${rule.probability} where ${conditionText(rule.when)}`;
    case "blockList":
      return `rule ${rule.name}: ${rule.probability} where ${rule.field} is one of ${rule.values.length}`;
    case "threshold": {
      const when = rule.when === null ? "" : ` where ${conditionText(rule.when)}`;
      return `rule ${rule.name}: yes from ${rule.at} on${when}`;
    }
  }
}

export function rangeText({ feature, min, max, outside }: RangeSpec): string {
  const does = outside === "refuse" ? "refuses" : "flags";
  return `${does} ${feature} outside [${min ?? "-∞"}, ${max ?? "∞"}]`;
}
