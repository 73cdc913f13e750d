import { durationText } from "../../../schemas/duration.ts";
import { model } from "../../../schemas/generated.ts";
import { learnedBy, watchedBy } from "../../../schemas/steps/learned-by.ts";
import type { TrainingSpec } from "../../../schemas/steps/training.ts";
import * as column from "../compile/columns.ts";
import type { Link, Part } from "../compile/link.ts";
import { checkStepName } from "../compile/names.ts";
import type { Problems } from "../compile/problems.ts";
import {
  type Context,
  type Named,
  nameOf,
  type Specs,
  type StepModule,
} from "../compile/step-module.ts";
import { avroValues } from "../compile/stored-topics.ts";
import { block } from "../describe/text.ts";
import type { TrainingDefinition } from "../training.ts";

/** The one task that trains. A topology calls the watch and the training together. */
export const training: StepModule<"training", TrainingDefinition> = {
  after: ["label", "watch"],
  ownName: ({ name }) => name,
  needs: ({ watch }, name) => [{ kind: "watch", definition: watch, name }],
  streams: () => [],
  specs: trainingSpecs,
  part,
  text,
};

/**
 * Trainings; a training reads the predictions and outcomes of its watch in the offline store, and
 * alone writes versions of its model.
 */
function trainingSpecs(
  problems: Problems,
  trainings: readonly Named<TrainingDefinition>[],
  { reached, steps }: Context,
): TrainingSpec[] {
  /** By model the watch whose training writes its versions. */
  const trained = new Map<string, string>();
  return trainings.map(({ name, definition }) => {
    const watch = nameOf(reached("watch"), definition.watch);
    const where = `step "${watch}"`;
    checkStepName(problems, "step", name);
    const watched = nameOf(reached("label"), definition.watch.outcomes);
    const { outcomes, predictions } = watchedBy({ steps }, { outcomes: watched });
    for (const step of [outcomes, predictions]) {
      problems.check(
        step === undefined || step.stores.includes("offline"),
        where,
        `trains on "${step?.name}": write it into(topic(…), offline)`,
      );
    }
    if (predictions !== undefined) {
      checkModel(problems, where, predictions.model.name, watch, trained);
    }
    const { algorithm, promoteWhen } = definition;
    if (promoteWhen.kind === "not-worse") {
      const { by } = promoteWhen;
      problems.check(by > 0 && by < 0.5, where, `notWorse by ${by} must be between 0 and 0.5`);
    }
    problems.check(
      algorithm.kind === "logistic-regression",
      where,
      `algorithm "${algorithm.kind}" is unknown`,
    );
    problems.whole(where, "seed", algorithm.seed, 0);
    return {
      name,
      watch,
      algorithm,
      overMs: problems.duration(where, "over", definition.over),
      trainingTimeMs: problems.duration(where, "trainingTime", definition.trainingTime),
      promoteWhen,
    };
  });
}

function checkModel(
  problems: Problems,
  where: string,
  model: string,
  watch: string,
  trained: Map<string, string>,
): void {
  const other = trained.get(model);
  problems.check(
    other === undefined,
    where,
    `trains the model "${model}", which "${other}" trains already: give scoredBy() another name`,
  );
  trained.set(model, watch);
}

/**
 * What a model promises: a request at K is answered at K + trainingTime, when the model takes
 * effect. So models run ahead of the requests by trainingTime: the look-ahead without which the
 * loop (scoring, watch, training, scoring) would wait for itself.
 */
function part(training: TrainingSpec, specs: Specs): Part {
  const { name, trainingTimeMs } = training;
  const { outcomes, predictions } = learnedBy(specs, training);
  const models = (to: string): Link => ({
    from: name,
    to,
    input: "models",
    role: "update",
    awaited: false,
    fanOut: "every",
  });
  return {
    name,
    tasks: name,
    operator: () => ({
      kind: "training",
      spec: { training, topology: specs.name, model: predictions?.model.name ?? name },
    }),
    partitions: 1,
    promises: { triggers: ["requests"], timers: false, lookAheadMs: trainingTimeMs },
    outputs: [
      {
        spec: {
          kind: "topic",
          topic: `${specs.name}.models`,
          schema: model,
          partitioning: "same",
        },
        stored: avroValues(model, modelTable),
        shared: "models",
      },
    ],
    links: [
      { from: training.watch, to: name, input: "requests", role: "trigger", fanOut: "every" },
      ...(outcomes === undefined ? [] : [models(outcomes.predictions)]),
      models(training.watch),
    ],
  };
}

const modelTable = column.records(
  "models",
  [
    column.word("topology"),
    column.word("model"),
    column.text("version"),
    column.text("request_id", "requestId"),
    column.truth("promoted"),
    column.text("reason"),
    column.timestamp("effective_from", "effectiveFrom"),
    column.timestamp("cutoff"),
    column.integer("trained_on", "trainedOn"),
    column.integer("held_out", "heldOut"),
    column.orNull(column.number("holdout_auc", "holdoutAuc")),
    column.orNull(column.text("champion_version", "championVersion")),
    column.orNull(column.number("champion_auc", "championAuc")),
    column.orNull(column.number("gain_lower_bound", "gainLowerBound")),
    column.text("sha256"),
    column.text("reference"),
  ],
  ["topology", "model", "effective_from", "version"],
);

function text({
  name,
  watch,
  algorithm,
  overMs,
  trainingTimeMs,
  promoteWhen,
}: TrainingSpec): string {
  const than = promoteWhen.kind === "better" ? "better" : `not worse by ${promoteWhen.by}`;
  return block(`training ${name}`, [
    `for ${watch} by ${algorithm.kind}, seed ${algorithm.seed}`,
    `over ${durationText(overMs)}, effective after ${durationText(trainingTimeMs)}`,
    `promoted when ${than}`,
  ]);
}
