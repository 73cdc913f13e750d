import { drift, model, retrainRequest } from "../../../schemas/generated.ts";
import type { OutputSpec, Subtopology, TrainingSpec, WatchSpec } from "../../../schemas/plan.ts";
import { scoringOf } from "./label-specs.ts";
import { inputNames, modelsTopic, type Specs, subtopology } from "./link.ts";

/**
 * The one task that watches predictions and outcomes and asks for models.
 *
 * What a request promises: a prediction or an outcome may raise one at its knownAt, and so may a
 * timer (`every`, the end of a window). Models are only read: they end the wait for an answer and
 * say what the reference is. So the least of predictions, outcomes and the next timer is promised.
 */
export function watchSubtopology(specs: Specs, watch: WatchSpec): Subtopology {
  const label = specs.labels.find((each) => each.name === watch.outcomes);
  const scoring = label && scoringOf(specs.scorings, label);
  const from = scoring?.name ?? "";
  const training = specs.trainings.find((each) => each.watch === watch.name);
  const outputs: OutputSpec[] = [
    { kind: "topic", topic: watch.driftTopic, schema: drift, partitioning: "same" },
    { kind: "topic", topic: watch.requestTopic, schema: retrainRequest, partitioning: "same" },
  ];
  if (training !== undefined) {
    outputs.push({
      kind: "inbox",
      to: training.name,
      partitions: 1,
      input: inputNames.requests,
      fanOut: "every",
      triggers: [inputNames.predictions, inputNames.outcomes],
      timers: true,
      lookAheadMs: 0,
    });
  }
  return subtopology(specs, {
    name: watch.name,
    operator: {
      kind: "watch",
      spec: { watch, features: scoring?.features ?? [], withinMs: label?.withinMs ?? 0 },
    },
    partitions: 1,
    inputs: [
      { name: inputNames.predictions, role: "trigger", from, channels: "all" },
      { name: inputNames.outcomes, role: "trigger", from, channels: "all" },
      ...(training === undefined
        ? []
        : ([
            {
              name: inputNames.models,
              role: "update",
              from: training.name,
              channels: "one",
              awaited: false,
            },
          ] as const)),
    ],
    outputs,
  });
}

/**
 * The one task that trains.
 *
 * What a model promises: a request at K is answered at K + trainingTime, when the model takes
 * effect. So models run ahead of the requests by trainingTime: the look-ahead without which the
 * loop (scoring, watch, training, scoring) would wait for itself.
 */
export function trainingSubtopology(specs: Specs, training: TrainingSpec): Subtopology {
  const watch = specs.watches.find((each) => each.name === training.watch);
  const label = specs.labels.find((each) => each.name === watch?.outcomes);
  const scoring = label && scoringOf(specs.scorings, label);
  const models = (to: string, partitions: number): OutputSpec => ({
    kind: "inbox",
    to,
    partitions,
    input: inputNames.models,
    fanOut: "every",
    triggers: [inputNames.requests],
    timers: false,
    lookAheadMs: training.trainingTimeMs,
  });
  return subtopology(specs, {
    name: training.name,
    operator: {
      kind: "training",
      spec: { training, topology: specs.name, model: scoring?.model.name ?? training.name },
    },
    partitions: 1,
    inputs: [{ name: inputNames.requests, role: "trigger", from: training.watch, channels: "one" }],
    outputs: [
      { kind: "topic", topic: modelsTopic, schema: model, partitioning: "same" },
      models(label?.predictions ?? "", specs.partitions),
      models(training.watch, 1),
    ],
  });
}
