import type { Duration } from "../../schemas/duration.ts";
import { freezeDeeply } from "./freeze.ts";
import type { LabelDefinition } from "./label.ts";
import { type TrainBy, trainBy } from "./training.ts";
import type { Trigger, TriggerDefinition } from "./triggers.ts";

export type DetectorDefinition =
  | { readonly kind: "features"; readonly over: string }
  | {
      readonly kind: "performance";
      readonly metric: "auc";
      readonly over: string;
      readonly floor: number;
    };

export interface WatchDefinition {
  readonly outcomes: LabelDefinition;
  readonly detectors: readonly DetectorDefinition[];
  readonly triggers: readonly TriggerDefinition[];
  readonly cooldown: string;
}

/** One statistic held against a limit, window by window of event time. */
export interface Detector<out Kind extends DetectorDefinition["kind"]> {
  readonly definition: DetectorDefinition;
  /** Only a type: what is watched. */
  readonly __kind?: Kind;
}

export interface PerformanceOptions {
  /** Length of a window, aligned to UTC. */
  readonly over: Duration;
  /** An alarm is raised below it. */
  readonly floor: number;
}

/** The detectors. */
export const drift = Object.freeze({
  /** PSI of each feature against the version's training rows; calendar features are left out. */
  features: ({ over }: { readonly over: Duration }): Detector<"features"> =>
    freezeDeeply({ definition: { kind: "features", over } }),
  /** AUC of a version's predictions once they are labelled. */
  performance: (metric: "auc", { over, floor }: PerformanceOptions): Detector<"performance"> =>
    freezeDeeply({ definition: { kind: "performance", metric, over, floor } }),
});

/** Declares the detectors, at most one of a kind. */
export type WatchFor = <const D extends readonly [AnyDetector, ...AnyDetector[]]>(
  ...detectors: D
) => Watched<D[number] extends Detector<infer Kind> ? Kind : never>;

type AnyDetector = Detector<DetectorDefinition["kind"]>;

/** Outcomes under watch by detectors of the given kinds. */
export interface Watched<Kind extends DetectorDefinition["kind"]> {
  /**
   * Declares when a new model is asked for.
   *
   * @param options.cooldown - least event time between two requests.
   */
  retrainedWhen(trigger: Trigger<Kind>, options: { readonly cooldown: Duration }): Retrained;
}

/** A watch that asks for models. */
export interface Retrained {
  /** Names the algorithm that answers. */
  readonly trainedBy: TrainBy;
}

export function watchFor(outcomes: LabelDefinition): WatchFor {
  return (...detectors) =>
    freezeDeeply({
      retrainedWhen: (trigger, { cooldown }) => {
        const watch: WatchDefinition = {
          outcomes,
          detectors: detectors.map(({ definition }) => definition),
          triggers: trigger.definitions,
          cooldown,
        };
        return freezeDeeply({ trainedBy: trainBy(watch) });
      },
    });
}
