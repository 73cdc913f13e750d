import { featureColumns, viewId } from "../../../schemas/feature-view.ts";
import { outcomeSchema, predictionSchema } from "../../../schemas/outputs.ts";
import type { InputSpec, OutputSpec, ScoringOperator, Subtopology } from "../../../schemas/plan.ts";
import {
  channelsOf,
  inputNames,
  type ScoringLoop,
  type Specs,
  subtopology,
  viewsOf,
} from "./link.ts";

/**
 * The tasks that score and join predictions with their labels: both go by the key of the triggering
 * record, so one task holds both.
 *
 * What the outputs to the watch promise:
 * - A prediction is made when a trigger is taken, at the trigger's knownAt. Answers precede their
 *   trigger and models are only read, so predictions are promised from the triggers alone. Labels
 *   and timers make none.
 * - An outcome is made at the knownAt of the later of prediction and label, or by the timer that
 *   ends the wait. So the least of triggers, labels and the next timer is promised.
 *
 * That the models are not among the triggers is what lets the loop turn: scoring waits for the
 * trainer's progress, the trainer for the watch's, and the watch for what scoring promises here.
 */
export function scoringSubtopology(specs: Specs, loop: ScoringLoop): Subtopology {
  return subtopology(specs, {
    name: loop.scoring.name,
    operator: { kind: "scoring", spec: operatorOf(specs, loop) },
    partitions: specs.partitions,
    inputs: inputs(specs, loop),
    outputs: [...topics(specs, loop), ...toWatch(loop)],
  });
}

function operatorOf(specs: Specs, { scoring, label }: ScoringLoop): ScoringOperator {
  const widths = scoring.lookups.map((lookup) => {
    const view = specs.views.find((each) => viewId(each) === lookup.view);
    return view === undefined ? 0 : featureColumns(view).length;
  });
  return { scoring, label: label ?? null, widths };
}

function inputs(specs: Specs, { scoring, label, training }: ScoringLoop): InputSpec[] {
  const answers = viewsOf(scoring).map(
    (view): InputSpec => ({
      name: inputNames.answers(view),
      role: "answer",
      from: view,
      channels: "all",
    }),
  );
  const all: InputSpec[] = [
    ...answers,
    {
      name: inputNames.triggers,
      role: "trigger",
      from: scoring.source,
      channels: channelsOf(specs, scoring.source, scoring.keyField),
    },
  ];
  if (label !== undefined) {
    all.push({
      name: inputNames.labels,
      role: "update",
      from: label.source,
      channels: channelsOf(specs, label.source, label.keyField),
    });
  }
  if (training !== undefined) {
    all.push({
      name: inputNames.models,
      role: "update",
      from: training.name,
      channels: "one",
      awaited: false,
    });
  }
  return all;
}

function topics(specs: Specs, { scoring, label }: ScoringLoop): OutputSpec[] {
  const source = specs.sources.find((each) => each.topic === scoring.source);
  const keyDoc = source?.schema.fields.find((each) => each.name === scoring.keyField)?.doc ?? "";
  const all: OutputSpec[] = [
    {
      kind: "topic",
      topic: scoring.topic,
      schema: predictionSchema(specs.name, scoring, keyDoc),
      partitioning: "same",
      measured: ["latencyMs"],
    },
  ];
  if (label !== undefined) {
    all.push({
      kind: "topic",
      topic: label.topic,
      schema: outcomeSchema(specs.name, scoring, label, keyDoc),
      partitioning: "same",
    });
  }
  return all;
}

function toWatch({ watch }: ScoringLoop): OutputSpec[] {
  if (watch === undefined) return [];
  return [
    {
      kind: "inbox",
      to: watch.name,
      partitions: 1,
      input: inputNames.predictions,
      fanOut: "key",
      triggers: [inputNames.triggers],
      timers: false,
      lookAheadMs: 0,
    },
    {
      kind: "inbox",
      to: watch.name,
      partitions: 1,
      input: inputNames.outcomes,
      fanOut: "key",
      triggers: [inputNames.triggers, inputNames.labels],
      timers: true,
      lookAheadMs: 0,
    },
  ];
}
