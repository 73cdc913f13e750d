import { viewId } from "../../../schemas/feature-view.ts";
import type {
  BranchSpec,
  InboxOutputSpec,
  SourceSpec,
  Subtopology,
} from "../../../schemas/plan.ts";
import { channelsOf, inputNames, type Specs, subtopology } from "./link.ts";

/**
 * The tasks that read a source. For each accepted record they write, in this order: look-ups,
 * triggers, updates, labels. Their progress is the stream time, so no output waits for an input.
 */
export function sourceSubtopology(specs: Specs, source: SourceSpec): Subtopology {
  const outputs: InboxOutputSpec[] = [];
  const branches: BranchSpec[] = [];
  /** Index of the output to an input, which look-ups of several slots share. */
  const output = (to: string, input: string, fanOut: InboxOutputSpec["fanOut"]): number => {
    const found = outputs.findIndex((each) => each.to === to && each.input === input);
    if (found >= 0) return found;
    return (
      outputs.push({
        kind: "inbox",
        to,
        input,
        fanOut,
        triggers: [],
        timers: false,
        lookAheadMs: 0,
      }) - 1
    );
  };
  const toScoring = (keyField: string) =>
    channelsOf(specs, source.topic, keyField) === "same" ? "same" : "key";

  const scorings = specs.scorings.filter((each) => each.source === source.topic);
  for (const scoring of scorings) {
    scoring.lookups.forEach((lookup, slot) => {
      const index = output(lookup.view, inputNames.lookups(scoring.name), "key");
      branches.push({ kind: "lookup", output: index, scoring: scoring.name, slot });
    });
  }
  for (const scoring of scorings) {
    const index = output(scoring.name, inputNames.triggers, toScoring(scoring.keyField));
    branches.push({ kind: "trigger", output: index, scoring: scoring.name });
  }
  for (const view of specs.views.filter((each) => each.source === source.topic)) {
    const index = output(viewId(view), inputNames.updates, "key");
    branches.push({ kind: "update", output: index, view: viewId(view) });
  }
  for (const label of specs.labels.filter((each) => each.source === source.topic)) {
    const index = output(label.predictions, inputNames.labels, toScoring(label.keyField));
    branches.push({ kind: "label", output: index, labels: label.name });
  }
  return {
    ...subtopology(specs, {
      name: source.topic,
      kind: "source",
      partitions: specs.partitions,
      inputs: [],
      outputs,
    }),
    inbox: source.topic,
    branches,
  };
}
