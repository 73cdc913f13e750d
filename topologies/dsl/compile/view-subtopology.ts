import { type FeatureViewSpec, viewId } from "../../../schemas/feature-view.ts";
import type { InputSpec, OutputSpec, Subtopology } from "../../../schemas/plan.ts";
import { inputNames, looksUp, rowsTopic, type Specs, subtopology } from "./link.ts";

/**
 * The tasks that keep a view. They answer look-ups as of the moment of the question, and write a
 * row whenever an event arrives in a window or leaves one.
 *
 * What an answer promises: only look-ups make answers, each at its own knownAt, so the progress of
 * the answers is that of the look-ups. Updates and expiries change what an answer says, not when it
 * is given; the merge has them in order before the look-up is taken.
 */
export function viewSubtopology(specs: Specs, view: FeatureViewSpec): Subtopology {
  const name = viewId(view);
  const asking = specs.scorings.filter((scoring) => looksUp(scoring, name));
  const lookups = asking.map(
    (scoring): InputSpec => ({
      name: inputNames.lookups(scoring.name),
      role: "lookup",
      from: scoring.source,
      channels: "all",
    }),
  );
  const answers = asking.map(
    (scoring): OutputSpec => ({
      kind: "inbox",
      to: scoring.name,
      partitions: specs.partitions,
      input: inputNames.answers(name),
      fanOut: "key",
      triggers: [inputNames.lookups(scoring.name)],
      timers: false,
      lookAheadMs: 0,
    }),
  );
  return subtopology(specs, {
    name,
    operator: { kind: "view", spec: view },
    partitions: specs.partitions,
    inputs: [
      ...lookups,
      { name: inputNames.updates, role: "update", from: view.source, channels: "all" },
    ],
    outputs: [...answers, { kind: "rows", topic: rowsTopic(specs.name, view), view: name }],
  });
}
