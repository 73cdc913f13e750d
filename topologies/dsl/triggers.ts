import type { Duration } from "../../schemas/duration.ts";
import { freezeDeeply } from "./freeze.ts";
import type { DetectorDefinition } from "./watch.ts";

export type TriggerDefinition =
  | { readonly when: "no-model"; readonly labels: number }
  | { readonly when: "drifted"; readonly detector: "features" | "performance" }
  | { readonly when: "every"; readonly period: string }
  | { readonly when: "labels"; readonly labels: number };

/** When to ask for a new model, given detectors of the kinds in `Needs`. */
export interface Trigger<out Needs extends DetectorDefinition["kind"]> {
  readonly definitions: readonly TriggerDefinition[];
  /** Only a type: the detectors that it listens to. */
  readonly __needs?: Needs;
}

function trigger<Needs extends DetectorDefinition["kind"]>(
  ...definitions: readonly TriggerDefinition[]
): Trigger<Needs> {
  return freezeDeeply({ definitions });
}

/** Asks when one of them does. */
export function any<const A extends readonly [Trigger<AnyKind>, ...Trigger<AnyKind>[]]>(
  ...triggers: A
): Trigger<NeedsOf<A[number]>> {
  return trigger(...triggers.flatMap(({ definitions }) => definitions));
}

type AnyKind = DetectorDefinition["kind"];
type NeedsOf<T> = T extends Trigger<infer Needs> ? Needs : never;

/**
 * Asks once there are so many labelled outcomes while no model has been promoted. Outcomes that
 * are taken for negative count.
 */
export function noModel(options: { readonly labels: number }): Trigger<never> {
  return trigger({ when: "no-model", labels: options.labels });
}

/** Asks when a detector of the watch raises an alarm. */
export function drifted<Kind extends AnyKind>(detector: Kind): Trigger<Kind> {
  return trigger({ when: "drifted", detector });
}

/**
 * Asks when so much event time has passed since the last answered request, or, before the first
 * one, since the first outcome.
 */
export function every(period: Duration): Trigger<never> {
  return trigger({ when: "every", period });
}

/** Asks after so many labelled outcomes since the last answered request. */
export function labels(count: number): Trigger<never> {
  return trigger({ when: "labels", labels: count });
}
