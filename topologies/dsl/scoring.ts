import type { Duration } from "../../schemas/duration.ts";
import type { StoreRole, StreamDefinition } from "./definitions.ts";
import type { RequestDefinition } from "./enrichment.ts";
import { freezeDeeply } from "./freeze.ts";
import { type LabelBy, labelBy } from "./labels.ts";
import type { LookupDefinition } from "./lookup.ts";
import type { Offline, OutputTopic } from "./roles.ts";

export interface ScoringDefinition {
  readonly source: StreamDefinition;
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

/** A probability that answers when no model does. */
export interface Prior {
  readonly kind: "prior";
  readonly value: number;
}

/** The fallback: always this probability, in [0, 1]. Such predictions say that they are one. */
export function prior(value: number): Prior {
  return freezeDeeply({ kind: "prior", value });
}

export interface ScoringOptions {
  /** Alias of the model version in force. */
  readonly model: "@champion";
  /** Live mode: bounds the model call of a record; past it the fallback answers. */
  readonly deadline: Duration;
  /** Answers while there is no model, or when it fails. */
  readonly fallback: Prior;
}

/** Names the model and how it is called. */
export type ScoreBy<Id, Feature extends string> = (
  modelName: string,
  options: ScoringOptions,
) => Unpublished<Id, Feature>;

/** Predictions that do not say yet where they go. */
export interface Unpublished<Id, Feature extends string> {
  /** Writes predictions to a topic and, with `offline`, into the offline store. */
  into(topic: OutputTopic, ...stores: readonly Offline[]): Predictions<Id, Feature>;
}

/** Scored records, one prediction for each triggering record. */
export interface Predictions<Id, Feature extends string> {
  readonly kind: "scoring";
  readonly definition: ScoringDefinition;
  /** Joins each prediction with the ground truth once that is known. */
  readonly labelledBy: LabelBy<Id>;
  /** Only a type: the names of the feature vector. */
  readonly __features?: Feature;
}

/** Names of the feature vector of predictions. */
export type FeatureOf<P> = P extends { readonly __features?: infer Feature extends string }
  ? Feature
  : never;

export function scoreBy<Id, Feature extends string>(
  enriched: Pick<ScoringDefinition, "source" | "lookups" | "request" | "missing">,
): ScoreBy<Id, Feature> {
  return (modelName, { model, deadline, fallback }) =>
    freezeDeeply({
      into: (topic, ...roles) =>
        predictions({
          ...enriched,
          modelName,
          model,
          deadline,
          fallback,
          topic: topic.name,
          roles,
        }),
    });
}

function predictions<Id, Feature extends string>(
  definition: ScoringDefinition,
): Predictions<Id, Feature> {
  return freezeDeeply({ kind: "scoring", definition, labelledBy: labelBy(definition) });
}
