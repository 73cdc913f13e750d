import type {
  DetectorSpec,
  LabelSpec,
  RetrainTrigger,
  ScoringSpec,
  TrainingSpec,
  WatchSpec,
} from "../../../schemas/plan.ts";
import type {
  DetectorDefinition,
  LabelDefinition,
  TriggerDefinition,
  WatchDefinition,
} from "../definitions.ts";
import { nameOf, scoringOf } from "./label-specs.ts";
import type { Problems } from "./problems.ts";
import type { Named, Reached } from "./reach.ts";

/** Watches; each has the outcomes of one label step for itself. */
export function watchSpecs(
  problems: Problems,
  topology: string,
  watches: readonly Named<WatchDefinition>[],
  labels: readonly Named<LabelDefinition>[],
): WatchSpec[] {
  const specs = watches.map((watch) => watchSpec(problems, topology, watch, labels));
  specs.forEach((spec, i) => {
    const other = specs.slice(0, i).find((each) => each.outcomes === spec.outcomes);
    if (other === undefined) return;
    problems.add(
      `step "${spec.name}"`,
      `watches "${spec.outcomes}", which "${other.name}" watches already: use one watch`,
    );
  });
  return specs;
}

function watchSpec(
  problems: Problems,
  topology: string,
  { name, definition }: Named<WatchDefinition>,
  labels: readonly Named<LabelDefinition>[],
): WatchSpec {
  const where = `step "${name}"`;
  const detectors = definition.detectors.map((each) => detectorSpec(problems, where, each));
  const kinds = detectors.map(({ kind }) => kind);
  problems.check(detectors.length > 0, where, "watchedFor() names no detector");
  problems.check(
    new Set(kinds).size === kinds.length,
    where,
    "watchedFor() names two detectors of a kind",
  );
  const cooldownMs = problems.duration(where, "cooldown", definition.cooldown);
  problems.check(definition.triggers.length > 0, where, "retrainedWhen() names no trigger");
  const triggers = definition.triggers.map((each) =>
    triggerSpec(problems, where, each, { kinds, cooldownMs }),
  );
  return {
    name,
    outcomes: nameOf(labels, definition.outcomes),
    detectors,
    triggers,
    cooldownMs,
    driftTopic: `${topology}.drift`,
    requestTopic: `${topology}.retrain-requests`,
  };
}

function detectorSpec(
  problems: Problems,
  where: string,
  detector: DetectorDefinition,
): DetectorSpec {
  const overMs = problems.duration(where, `${detector.kind} window`, detector.over);
  if (detector.kind === "features") return { kind: "features", overMs };
  const { metric, floor } = detector;
  problems.check(metric === "auc", where, `metric "${metric}" is unknown: write "auc"`);
  problems.check(floor > 0 && floor < 1, where, `floor ${floor} must be between 0 and 1`);
  return { kind: "performance", metric: "auc", overMs, floor };
}

function triggerSpec(
  problems: Problems,
  where: string,
  trigger: TriggerDefinition,
  watch: { readonly kinds: readonly string[]; readonly cooldownMs: number },
): RetrainTrigger {
  switch (trigger.when) {
    case "no-model":
    case "labels":
      problems.whole(where, `labels of ${trigger.when}`, trigger.labels, 1);
      return trigger;
    case "drifted":
      problems.check(
        watch.kinds.includes(trigger.detector),
        where,
        `drifted("${trigger.detector}") has no such detector: add it to watchedFor()`,
      );
      return trigger;
    case "every": {
      const periodMs = problems.duration(where, "every", trigger.period);
      problems.check(
        !(periodMs < watch.cooldownMs),
        where,
        `every("${trigger.period}") is shorter than the cooldown, which would hold it back ` +
          "each time",
      );
      return { when: "every", periodMs };
    }
  }
}

/**
 * Trainings; a training reads the predictions and outcomes of its watch in the offline store, and
 * alone writes versions of its model.
 */
export function trainingSpecs(
  problems: Problems,
  { trainings, watches, labels: labelDefinitions }: Reached,
  labels: readonly LabelSpec[],
  scorings: readonly ScoringSpec[],
): TrainingSpec[] {
  /** By model the watch whose training writes its versions. */
  const trained = new Map<string, string>();
  return trainings.map(({ name, definition }) => {
    const watch = nameOf(watches, definition.watch);
    const where = `step "${watch}"`;
    const outcomes = nameOf(labelDefinitions, definition.watch.outcomes);
    const label = labels.find((each) => each.name === outcomes);
    const scoring = label && scoringOf(scorings, label);
    for (const step of [label, scoring]) {
      problems.check(
        step === undefined || step.stores.includes("offline"),
        where,
        `trains on "${step?.name}": write it into(topic(…), offline)`,
      );
    }
    if (scoring !== undefined) checkModel(problems, where, scoring.model.name, watch, trained);
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
