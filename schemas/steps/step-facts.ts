import type { FeatureViewSpec } from "../feature-view.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { OutcomeFacts, PredictionFacts } from "./predictions.ts";

/**
 * What others have to know of one kind of step: what it is told, what its tasks are told, what may
 * change of it, and how what it yields can be recounted. Each stands in a file of its own, and
 * `kinds.ts` lists them. How a topology says it is in `topologies/dsl/KIND/step.ts`, what its tasks
 * do in `processors/KIND.ts`: the lists of these rooms are written from that one.
 */
export interface StepFacts<Spec, Operator = never> {
  /** Only a type: what its tasks are told. @default it has none of its own */
  readonly __operator?: Operator;
  /** Its name in a plan, unique in the kind. */
  nameOf(spec: Spec): string;
  /** Fields of the spec that decide nothing of its state, nor of the rows that it writes. */
  readonly free: readonly string[];
  /** How a running topology gets another one of it, filled beside it; null: not at all. */
  readonly growth: StepGrowth<Spec> | null;
  /** Of a kind that passes on the records that it takes, as they are; null: it makes others. */
  readonly passes: ((spec: Spec) => PassedRecords) | null;
  /** What others ask for by what it is, whatever kind of step gives it (`plan-facts.ts`). */
  readonly gives: StepGifts<Spec>;
  /** Why SQL cannot say which records it yields; null: it yields none. */
  readonly sqlGap: string | null;
}

/** What steps of a kind give that has rows, tables and doors of its own. */
export interface StepGifts<Spec> {
  /** A feature view: kept, stored, looked up and served. @default none */
  features?(spec: Spec): FeatureViewSpec;
  /** Predictions by a model that has a name in the model register. @default none */
  predictions?(spec: Spec): PredictionFacts;
  /** Outcomes of predictions. @default none */
  outcomes?(spec: Spec): OutcomeFacts;
}

/**
 * How much more a step, which gives a view, does than one that stands. A strand of it writes some
 * of its outputs only: its tasks find them by what they are, never by their places.
 */
export interface StepGrowth<Spec> {
  /** Fields of the spec that decide which columns there are, and nothing else. */
  readonly fields: readonly (keyof Spec & string)[];
  /** By name what decides the values of a column. */
  columns(spec: Spec): ReadonlyMap<string, unknown>;
}

export interface PassedRecords {
  /** What yields the records that it takes. */
  readonly source: string;
  readonly through: readonly TransformSpec[];
  /** Of the records of one value of this field the first is passed on. */
  readonly onceBy: string;
}
