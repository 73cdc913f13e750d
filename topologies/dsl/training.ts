import type { Duration } from "../../schemas/duration.ts";
import type { PromoteWhen } from "../../schemas/steps/training.ts";
import { freezeDeeply } from "./freeze.ts";
import type { WatchDefinition } from "./watch.ts";

export interface TrainingDefinition {
  readonly watch: WatchDefinition;
  readonly name: string;
  readonly algorithm: { readonly kind: "logistic-regression"; readonly seed: number };
  readonly over: string;
  readonly trainingTime: string;
  readonly promoteWhen: PromoteWhen;
}

/** How a model is fitted. */
export interface Algorithm {
  readonly kind: "logistic-regression";
  readonly seed: number;
}

/**
 * Regularised logistic regression with scaling and missing indicators inside the model.
 *
 * @param options.seed - whole number from 0; the same seed and rows give the same bytes.
 */
export function logisticRegression(options: { readonly seed: number }): Algorithm {
  return freezeDeeply({ kind: "logistic-regression", seed: options.seed });
}

/** A challenger is promoted when it is surely better than the champion: the default. */
export function better(): PromoteWhen {
  return freezeDeeply({ kind: "better" });
}

/**
 * A challenger is promoted when it is surely not worse than the champion by `by` or more: for
 * models that must be fresh. Equal skill is promoted then.
 *
 * @param options.by - difference in AUC, above 0 and below 0.5.
 */
export function notWorse({ by }: { readonly by: number }): PromoteWhen {
  return freezeDeeply({ kind: "not-worse", by });
}

export interface TrainingOptions {
  /** How far back of the cutoff training rows go, in event time. */
  readonly over: Duration;
  /**
   * Event time between a request and the moment at which its model takes effect in a replay;
   * scoring waits for the trainer there.
   */
  readonly trainingTime: Duration;
  /** What a challenger must be to replace the champion. @default better() */
  readonly promoteWhen?: PromoteWhen;
  /**
   * Name of the trainer's state and topics; a topology with several trainings names them apart.
   * @default "training"
   */
  readonly name?: string;
}

/** Names the algorithm and the rows it learns from. */
export type TrainBy = (algorithm: Algorithm, options: TrainingOptions) => Training;

/** The loop closed: outcomes are watched, models trained, and promoted to the scorers. */
export interface Training {
  readonly kind: "training";
  readonly definition: TrainingDefinition;
}

export function trainBy(watch: WatchDefinition): TrainBy {
  return (algorithm, { over, trainingTime, promoteWhen = better(), name = "training" }) =>
    freezeDeeply({
      kind: "training",
      definition: { watch, name, algorithm, over, trainingTime, promoteWhen },
    });
}
