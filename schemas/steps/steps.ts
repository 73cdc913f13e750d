import * as kinds from "./kinds.ts";
import type { PassedRecords, StepFacts, StepGifts, StepGrowth } from "./step-facts.ts";

type Kinds = typeof kinds;

export type StepKind = keyof Kinds;

/** The spec of each kind of step. */
export type StepSpecs = {
  readonly [K in StepKind]: Kinds[K] extends StepFacts<infer Spec, infer _> ? Spec : never;
};

type OperatorOf<K extends StepKind> = Kinds[K] extends StepFacts<infer _, infer Op> ? Op : never;

/** What the tasks of each kind are told, but for kinds that have none of their own. */
export type StepOperators = {
  readonly [K in StepKind as [OperatorOf<K>] extends [never] ? never : K]: OperatorOf<K>;
};

/** A step of a topology: what it is and what it was told. */
export type StepSpec = {
  readonly [K in StepKind]: { readonly kind: K; readonly spec: StepSpecs[K] };
}[StepKind];

const byKind = kinds as { readonly [K in StepKind]: StepFacts<unknown, unknown> };

export function isStepKind(name: string): name is StepKind {
  return Object.hasOwn(byKind, name);
}

/** Its name, unique among the steps of its kind. */
export function nameOfStep({ kind, spec }: StepSpec): string {
  return byKind[kind].nameOf(spec);
}

/** Fields of a spec that decide nothing of the state of the step, nor of its rows. */
export function freeFields(kind: StepKind): readonly string[] {
  return byKind[kind].free;
}

/** How a running topology gets another step of the kind; null: not at all. */
export function growthOf(kind: StepKind): StepGrowth<unknown> | null {
  return byKind[kind].growth;
}

/** What it passes on of the records that it takes; null where it makes others, or none. */
export function passedBy({ kind, spec }: StepSpec): PassedRecords | null {
  return byKind[kind].passes?.(spec) ?? null;
}

/** What it gives of a sort, e.g. the features that it keeps; null: nothing of it. */
export function givenBy<G extends keyof StepGifts<unknown>>(
  { kind, spec }: StepSpec,
  sort: G,
): Gift<G> | null {
  return (byKind[kind].gives[sort]?.(spec) as Gift<G> | undefined) ?? null;
}

type Gift<G extends keyof StepGifts<unknown>> = ReturnType<NonNullable<StepGifts<unknown>[G]>>;

/** Why SQL cannot say which records it yields; null: it yields none. */
export function sqlGapOf({ kind }: StepSpec): string | null {
  return byKind[kind].sqlGap;
}
