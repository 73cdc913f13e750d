import { type AggregateInput, aggregateInputs, viewId } from "../../../schemas/feature-view.ts";
import type {
  InboxOutputSpec,
  RouteField,
  RouteSpec,
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
  const routes: RouteSpec[] = [];
  /** Index of the output to an input, which look-ups of several slots share. */
  const output = (to: string, input: string, fanOut: InboxOutputSpec["fanOut"]): number => {
    const found = outputs.findIndex((each) => each.to === to && each.input === input);
    if (found >= 0) return found;
    return (
      outputs.push({
        kind: "inbox",
        to,
        partitions: specs.partitions,
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
      routes.push({
        what: `look-up ${slot} of ${scoring.name}`,
        output: index,
        key: lookup.keyFields,
        fields: [
          { from: "key" },
          { from: "byte", value: slot },
          { from: "text", field: scoring.keyField },
        ],
        // Its trigger is counted.
        counted: null,
      });
    });
  }
  for (const scoring of scorings) {
    const index = output(scoring.name, inputNames.triggers, toScoring(scoring.keyField));
    const request = scoring.request.map(({ field }) => number({ field }));
    routes.push({
      what: `trigger of ${scoring.name}`,
      output: index,
      key: [scoring.keyField],
      fields: [{ from: "key" }, { from: "time" }, { from: "offset" }, ...request],
      counted: scoring.name,
    });
  }
  for (const view of specs.views.filter((each) => each.source === source.topic)) {
    const index = output(viewId(view), inputNames.updates, "key");
    const { inputs } = aggregateInputs(view.aggregates);
    routes.push({
      what: `update of ${viewId(view)}`,
      output: index,
      key: view.keyFields,
      fields: [{ from: "key" }, { from: "time" }, ...inputs.map(number)],
      counted: viewId(view),
    });
  }
  for (const label of specs.labels.filter((each) => each.source === source.topic)) {
    const index = output(label.predictions, inputNames.labels, toScoring(label.keyField));
    routes.push({
      what: `label of ${label.name}`,
      output: index,
      key: [label.keyField],
      fields: [{ from: "key" }, { from: "time" }, number({ condition: label.label })],
      counted: label.name,
    });
  }
  return {
    ...subtopology(specs, {
      name: source.topic,
      operator: { kind: "source", spec: { source, routes } },
      partitions: specs.partitions,
      inputs: [],
      outputs,
    }),
    inbox: source.topic,
  };
}

function number(input: AggregateInput): RouteField {
  return { from: "number", input };
}
