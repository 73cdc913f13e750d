import { stepOrigin } from "../../runtime/predict/step-origin.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import { nearest } from "../../schemas/nearest.ts";
import {
  type Plan,
  type PredictionFacts,
  type SourceSpec,
  topologyOf,
} from "../../schemas/plan.ts";
import { outcomesOf, predictionsFor, predictionsOf } from "../../schemas/plan-facts.ts";
import { copiedThrough, keepsAll } from "../../schemas/transforms/through.ts";
import { findView } from "../../serving/served-view.ts";

/** The field that tells the records of a source apart. */
export interface IdField {
  readonly field: string;
  readonly type: "long" | "string";
}

/** Predictions that are due for the records of a source. */
export interface DuePredictions {
  readonly topology: string;
  readonly facts: PredictionFacts;
  /** Null: no field of the record is the id as it is. */
  readonly id: IdField | null;
  /** Whether each record is due one: nothing on its way leaves records out. */
  readonly ofEach: boolean;
}

/** A scoring step that is asked. @throws {MillraceError} STEP_UNKNOWN, STEP_UNSERVED. */
export function stepTarget(
  plans: readonly Plan[],
  step: string,
): DuePredictions & { readonly source: SourceSpec } {
  const all = plans.flatMap((plan) => duePredictions(plan).map((due) => ({ plan, due })));
  const found = all.find(({ due }) => due.facts.name === step);
  if (found !== undefined) return { ...found.due, source: stepOrigin(found.plan, step).source };
  const known = plans.flatMap((plan) => predictionsOf(plan).map(({ name }) => name));
  if (known.includes(step)) {
    const reason = "its records are made by another step, and none of a source";
    throw new MillraceError("STEP_UNSERVED", { step, reason });
  }
  const told = { step, near: nearest(step, known), known: known.join(", ") || "none" };
  throw new MillraceError("STEP_UNKNOWN", told);
}

/**
 * A view that is read, the newest version where none is named.
 *
 * @throws {MillraceError} VIEW_UNKNOWN, VIEW_AMBIGUOUS.
 */
export function viewTarget(plans: readonly Plan[], name: string): FeatureViewSpec {
  return findView(plans, { view: name, topology: null }).view;
}

/** A source that events are sent to. */
export interface SourceTarget {
  readonly source: SourceSpec;
  /** Null: nothing predicts its records, or labels by them. */
  readonly id: IdField | null;
  readonly due: readonly DuePredictions[];
}

/** @throws {MillraceError} EVENT_TOPIC_UNKNOWN. */
export function sourceTarget(plans: readonly Plan[], topic: string): SourceTarget {
  const sources = plans.flatMap((plan) => plan.sources);
  const source = sources.find((each) => each.topic === topic);
  if (source === undefined) {
    const known = sources.map((each) => each.topic);
    const told = { topic, near: nearest(topic, known), known: known.join(", ") };
    throw new MillraceError("EVENT_TOPIC_UNKNOWN", told);
  }
  const due = plans.flatMap((plan) =>
    duePredictions(plan).filter(({ facts }) => stepOrigin(plan, facts.name).source.topic === topic),
  );
  const id = due.find((each) => each.id !== null)?.id ?? labelId(plans, topic);
  // Steps that tell its records apart by another field cannot be accounted for.
  return { source, id, due: due.filter((each) => each.id?.field === id?.field) };
}

/** Of the steps whose records are those of a source. */
function duePredictions(plan: Plan): DuePredictions[] {
  return predictionsOf(plan).flatMap((facts): DuePredictions[] => {
    const origin = originOf(plan, facts.name);
    if (origin === null) return [];
    const way = [...origin.before, ...(facts.through ?? [])];
    const field = copiedThrough(way, facts.keyField);
    return [
      {
        ...{ topology: topologyOf(plan), facts },
        id: field === null ? null : { field, type: facts.keyType },
        ofEach: facts.source === origin.source.topic && keepsAll(way),
      },
    ];
  });
}

function originOf(plan: Plan, step: string) {
  try {
    return stepOrigin(plan, step);
  } catch (error) {
    if (error instanceof MillraceError && error.code === "STEP_UNSERVED") return null;
    throw error;
  }
}

/** The field by which the records of a source label predictions. */
function labelId(plans: readonly Plan[], topic: string): IdField | null {
  for (const plan of plans) {
    const outcomes = outcomesOf(plan).find(({ source }) => source === topic);
    const facts = outcomes === undefined ? undefined : predictionsFor(plan, outcomes);
    if (outcomes !== undefined && facts !== undefined) {
      return { field: outcomes.keyField, type: facts.keyType };
    }
  }
  return null;
}
