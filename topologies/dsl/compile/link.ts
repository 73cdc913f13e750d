import { type FeatureViewSpec, viewId } from "../../../schemas/feature-view.ts";
import type {
  InputSpec,
  LabelSpec,
  Plan,
  ScoringSpec,
  Subtopology,
  TrainingSpec,
  WatchSpec,
} from "../../../schemas/plan.ts";
import { topicText } from "./names.ts";

/** The specs of a plan, before they are cut into subtopologies. */
export interface Specs extends Pick<Plan, "name" | "partitions" | "guarantee" | "sources"> {
  readonly views: readonly FeatureViewSpec[];
  readonly scorings: readonly ScoringSpec[];
  readonly labels: readonly LabelSpec[];
  readonly watches: readonly WatchSpec[];
  readonly trainings: readonly TrainingSpec[];
}

/** A scoring step with all that hangs on it: label join, watch and training are optional. */
export interface ScoringLoop {
  readonly scoring: ScoringSpec;
  readonly label: LabelSpec | undefined;
  readonly watch: WatchSpec | undefined;
  readonly training: TrainingSpec | undefined;
}

/** Follows the names from a scoring step to its training. */
export function scoringLoop(specs: Specs, scoring: ScoringSpec): ScoringLoop {
  const label = specs.labels.find((each) => each.predictions === scoring.name);
  const watch = label && specs.watches.find((each) => each.outcomes === label.name);
  const training = watch && specs.trainings.find((each) => each.watch === watch.name);
  return { scoring, label, watch, training };
}

/** Look-ups of a scoring step in a view. */
export function looksUp(scoring: ScoringSpec, view: string): boolean {
  return scoring.lookups.some((lookup) => lookup.view === view);
}

/** Views of a scoring step, each once, in the order of their first slot. */
export function viewsOf(scoring: ScoringSpec): readonly string[] {
  return [...new Set(scoring.lookups.map((lookup) => lookup.view))];
}

/** Whether the records of a source are partitioned by the key of the scoring tasks already. */
export function coPartitioned(specs: Specs, source: string, keyField: string): boolean {
  return specs.sources.some(
    (each) => each.topic === source && each.partitionField === keyField && !each.repartitioned,
  );
}

/** How records of a source come to the scoring tasks, whose partition is that of the id. */
export function channelsOf(specs: Specs, source: string, keyField: string): InputSpec["channels"] {
  return coPartitioned(specs, source, keyField) ? "same" : "all";
}

/** Names of the inputs, the same wherever they are looked up. */
export const inputNames = Object.freeze({
  updates: "updates",
  lookups: (scoring: string): string => `lookups:${scoring}`,
  answers: (view: string): string => `answers:${view}`,
  triggers: "triggers",
  labels: "labels",
  models: "models",
  predictions: "predictions",
  outcomes: "outcomes",
  requests: "requests",
});

/** Topic with the rows of a view. */
export function rowsTopic(topology: string, view: Specs["views"][number]): string {
  return `${topology}.${topicText(viewId(view))}.rows`;
}

/** Topic with the accepted models of every topology. */
export const modelsTopic = "millrace.models";

/** A subtopology whose topics are named after it. */
export function subtopology(
  specs: Specs,
  parts: Pick<Subtopology, "name" | "operator" | "partitions" | "inputs" | "outputs">,
): Subtopology {
  const prefix = `${specs.name}.${topicText(parts.name)}`;
  return {
    ...parts,
    inbox: `${prefix}.inbox`,
    changelog: `${prefix}.changelog`,
  };
}
