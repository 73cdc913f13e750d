import type { Naming } from "./kind-names.ts";

/** Where a step kind is at home: beginnings of the paths of its own files. */
const homes: Readonly<Record<string, readonly string[]>> = {
  dedup: ["topologies/dsl/dedup", "processors/dedup"],
  // The tasks of its predictions do its work.
  label: ["topologies/dsl/label"],
  // Predictions on request go the way of its tasks.
  scoring: [
    ...["topologies/dsl/scoring", "processors/scoring", "runtime/services/score"],
    "runtime/predict",
  ],
  training: [
    ...["topologies/dsl/training", "processors/training", "processors/train"],
    "runtime/services/train",
  ],
  view: ["topologies/dsl/view", "processors/view"],
  watch: ["topologies/dsl/watch", "processors/watch"],
};

/** Facts of all kinds, and tables with a line for each. */
const registries = [
  "schemas/steps",
  "topologies/dsl/step-modules",
  "processors/registry",
  "testing/oracle/registry",
];

/** A place that may name kinds which are not at home there. */
interface Exception {
  readonly path: string;
  readonly kinds: readonly string[];
  readonly why: string;
}

const isColumn = "a field or a column has that name, and a kind is not meant";

export const exceptions: readonly Exception[] = [
  {
    path: "topologies/dsl/label",
    kinds: ["scoring"],
    why: "labels join the predictions of a scoring step, and run in its tasks",
  },
  {
    path: "topologies/dsl/scoring/specs.ts",
    kinds: ["label"],
    why: "what a prediction tells of depends on whether its outcomes are asked for it; a column",
  },
  {
    path: "topologies/dsl/scoring/step.ts",
    kinds: ["view", "label"],
    why: "look-ups need the views that they are of; its tasks join the labels",
  },
  {
    path: "processors/scoring",
    kinds: ["label"],
    why: "its tasks join the labels",
  },
  { path: "topologies/dsl/watch/step.ts", kinds: ["label"], why: "a watch needs outcomes" },
  {
    path: "topologies/dsl/training/step.ts",
    kinds: ["label", "watch"],
    why: "a training needs a watch, and the outcomes of that",
  },
  { path: "processors/watch/watched-inputs.ts", kinds: ["label"], why: isColumn },
  { path: "schemas/input-payloads.ts", kinds: ["label"], why: isColumn },
  { path: "schemas/outputs.ts", kinds: ["label"], why: isColumn },
  { path: "schemas/payload.ts", kinds: ["label"], why: isColumn },
  { path: "schemas/generated.ts", kinds: ["watch"], why: isColumn },
  { path: "cli/commands/look.ts", kinds: ["view"], why: isColumn },
  { path: "runtime/hosting/catalog.ts", kinds: ["view"], why: isColumn },
  {
    path: "schemas/plan.ts",
    kinds: ["*"],
    why: "the operator of a source stands beside those of the kinds: one union over all",
  },
  {
    path: "topologies/dsl/compile.ts",
    kinds: ["training"],
    why: "a message tells the name that a training has unless it is given another",
  },
  {
    path: "loadtest/scenarios/find.ts",
    kinds: ["training"],
    why: "judges one training by the rows that it was fitted on",
  },
];

/** Whether it stands in a home of the kind, or in a registry. */
export function isAtHome({ path, kind }: Naming): boolean {
  return [...registries, ...(homes[kind] ?? [])].some((home) => isIn(path, home));
}

export function isExcepted({ path, kind }: Naming, { path: at, kinds }: Exception): boolean {
  return kinds.includes(kind) && isIn(path, at);
}

/** Whether a path is a place, the file of its name, or lies in the folder of its name. */
function isIn(path: string, place: string): boolean {
  return path === place || path === `${place}.ts` || path.startsWith(`${place}/`);
}
