import { evaluate } from "../../schemas/expression.ts";
import type { PredictionFacts } from "../../schemas/plan.ts";
import { fieldsOfRule, type RangeSpec, type RuleSpec } from "../../schemas/steps/rules.ts";
import type { Told } from "./label-join.ts";

/** What the ranges of a step say of a vector. */
export interface Ranged {
  /** Features outside their range, with commas between them; null: none. */
  readonly flags: string | null;
  /** Whether no model may be asked. */
  readonly refused: boolean;
}

/** An answer after the rules. */
export interface Judged {
  readonly probability: number;
  /** What is told of it; null where the step tells nothing. */
  readonly told: Told | null;
}

const inRange: Ranged = Object.freeze({ flags: null, refused: false });

type Fields = Readonly<Record<string, unknown>>;
type Answering = Exclude<RuleSpec, { readonly kind: "threshold" }>;
type Threshold = Extract<RuleSpec, { readonly kind: "threshold" }>;

/** Holds vectors against the ranges of a step, and scores against its rules: pure. */
export class Judge {
  /** Whether it has a say in any answer: without rules and ranges a score is the answer. */
  readonly judges: boolean;
  readonly #ranges: readonly { readonly spec: RangeSpec; readonly index: number }[];
  readonly #tellsFlags: boolean;
  readonly #rules: readonly RuleSpec[] | undefined;
  readonly #answering: readonly Answering[];
  readonly #thresholds: readonly Threshold[];
  readonly #blocked: ReadonlyMap<RuleSpec, ReadonlySet<unknown>>;
  /** Features that rules read: where in the vector, and the path. */
  readonly #features: readonly (readonly [index: number, path: string])[];
  /** What else rules read: fields of the record. */
  readonly #reads: readonly string[];
  /** What rules read of the answer in hand: one object, for a new one of many names is slow. */
  readonly #fields: Record<string, unknown>;

  constructor(scoring: Pick<PredictionFacts, "rules" | "ranges" | "features" | "tells">) {
    const { rules, ranges = [], features, tells = [] } = scoring;
    this.#tellsFlags = tells.includes("flags");
    this.judges = rules !== undefined || this.#tellsFlags;
    const read = new Set((rules ?? []).flatMap(fieldsOfRule));
    this.#features = features.flatMap((name, index) => {
      const path = `features.${name}`;
      return read.has(path) ? [[index, path] as const] : [];
    });
    const paths = new Set(this.#features.map(([, path]) => path));
    this.#reads = [...read].filter((name) => !paths.has(name));
    this.#fields = Object.fromEntries([...read].map((name) => [name, null]));
    this.#ranges = ranges.map((spec) => ({ spec, index: features.indexOf(spec.feature) }));
    this.#rules = rules;
    this.#answering = (rules ?? []).filter((rule): rule is Answering => rule.kind !== "threshold");
    this.#thresholds = (rules ?? []).filter((rule): rule is Threshold => rule.kind === "threshold");
    this.#blocked = new Map(
      this.#answering.flatMap((rule) =>
        rule.kind === "blockList" ? [[rule, new Set<unknown>(rule.values)] as const] : [],
      ),
    );
  }

  /** Of the vector that stands in `values` from `at` on. */
  ranged(values: Float64Array, at: number): Ranged {
    if (this.#ranges.length === 0) return inRange;
    let flags: string | null = null;
    let refused = false;
    for (const { spec, index } of this.#ranges) {
      const value = values[at + index] as number;
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = spec;
      // NaN is missing: it is neither.
      if (!(value < min || value > max)) continue;
      flags = flags === null ? spec.feature : `${flags}, ${spec.feature}`;
      if (spec.outside === "refuse") refused = true;
    }
    return flags === null ? inRange : { flags, refused };
  }

  /**
   * @param record - fields that the rules read; null: they read none.
   * @param values - the vector stands here from `at` on.
   * @param besides - what else is told of the answer. @default nothing
   */
  judge(
    score: number,
    record: Fields | null,
    values: Float64Array,
    at: number,
    flags: string | null,
    besides: Told | null = null,
  ): Judged {
    if (this.#rules === undefined) {
      return { probability: score, told: this.#tellsFlags ? { flags, ...besides } : besides };
    }
    const fields = this.#read(record, values, at);
    fields["probability"] = score;
    const answering = this.#answering.find((rule) => this.#holds(rule, fields));
    const probability = answering?.probability ?? score;
    fields["probability"] = probability;
    const deciding = this.#thresholds.find(
      ({ when }) => when === null || evaluate(when, fields) === true,
    );
    const told: Told = {
      score,
      rule: answering?.name ?? null,
      decision: deciding === undefined ? null : probability >= deciding.at,
      decidedBy: deciding?.name ?? null,
      ...(this.#tellsFlags && { flags }),
      ...besides,
    };
    return { probability, told };
  }

  #holds(rule: Answering, fields: Fields): boolean {
    if (rule.kind === "override") return evaluate(rule.when, fields) === true;
    return this.#blocked.get(rule)?.has(fields[rule.field]) === true;
  }

  #read(record: Fields | null, values: Float64Array, at: number): Record<string, unknown> {
    const fields = this.#fields;
    for (const name of this.#reads) fields[name] = record?.[name];
    for (const [index, path] of this.#features) fields[path] = values[at + index];
    return fields;
  }
}
