import type { AggregateDefinition } from "../../processors/aggregate/aggregate.ts";
import type { Condition } from "../../schemas/expression.ts";
import type { AvroSchema, PromoteWhen } from "../../schemas/plan.ts";

/**
 * What the verbs of the DSL collect: plain data, unchecked, with durations as written. `topology`
 * checks all of it together and compiles it to a plan; nothing else reads it.
 */
export interface SourceDefinition {
  readonly topic: string;
  readonly schema: AvroSchema;
  readonly timeField: string;
  readonly lateness: string;
  readonly partitionField: string;
  readonly repartitioned: boolean;
  /** The field that tells records apart. */
  readonly idField: string;
}

export interface ViewDefinition {
  /** `name@version` as written. */
  readonly id: string;
  readonly source: SourceDefinition;
  readonly keyFields: readonly string[];
  readonly windows: readonly string[];
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  readonly ttl: string;
  readonly exactLimit: number | undefined;
  readonly roles: readonly StoreRole[];
}

export interface StoreRole {
  readonly role: "online" | "offline";
}

export interface LookupDefinition {
  readonly view: ViewDefinition;
  readonly fields: readonly string[];
}

export interface RequestDefinition {
  readonly field: string;
  readonly calendar: boolean;
}

export interface ScoringDefinition {
  readonly source: SourceDefinition;
  readonly lookups: Readonly<Record<string, LookupDefinition>>;
  readonly request: Readonly<Record<string, RequestDefinition>>;
  readonly missing: string;
  readonly modelName: string;
  readonly model: string;
  readonly deadline: string;
  readonly fallback: { readonly kind: "prior"; readonly value: number };
  readonly topic: string;
  readonly roles: readonly StoreRole[];
}

export interface LabelDefinition {
  readonly predictions: ScoringDefinition;
  readonly source: SourceDefinition;
  readonly on: string;
  readonly within: string;
  readonly unlabelled: "negative" | "unknown";
  readonly label: Condition;
  readonly topic: string;
  readonly roles: readonly StoreRole[];
}

export type DetectorDefinition =
  | { readonly kind: "features"; readonly over: string }
  | {
      readonly kind: "performance";
      readonly metric: "auc";
      readonly over: string;
      readonly floor: number;
    };

export type TriggerDefinition =
  | { readonly when: "no-model"; readonly labels: number }
  | { readonly when: "drifted"; readonly detector: "features" | "performance" }
  | { readonly when: "every"; readonly period: string }
  | { readonly when: "labels"; readonly labels: number };

export interface WatchDefinition {
  readonly outcomes: LabelDefinition;
  readonly detectors: readonly DetectorDefinition[];
  readonly triggers: readonly TriggerDefinition[];
  readonly cooldown: string;
}

export interface TrainingDefinition {
  readonly watch: WatchDefinition;
  readonly name: string;
  readonly algorithm: { readonly kind: "logistic-regression"; readonly seed: number };
  readonly over: string;
  readonly trainingTime: string;
  readonly promoteWhen: PromoteWhen;
}

/** A step that `topology` takes. */
export type Step =
  | { readonly kind: "feature-view"; readonly definition: ViewDefinition }
  | { readonly kind: "predictions"; readonly definition: ScoringDefinition }
  | { readonly kind: "outcomes"; readonly definition: LabelDefinition }
  | { readonly kind: "training"; readonly definition: TrainingDefinition };
