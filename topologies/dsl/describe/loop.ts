import { conditionText } from "../../../schemas/expression.ts";
import type {
  DetectorSpec,
  LabelSpec,
  RetrainTrigger,
  TrainingSpec,
  WatchSpec,
} from "../../../schemas/plan.ts";
import { block, durationText, list } from "./text.ts";

export function labelText(label: LabelSpec): string {
  return block(`labels ${label.name}`, [
    `of ${label.predictions} from ${label.source} on ${label.keyField}`,
    `within ${durationText(label.withinMs)}, true where ${conditionText(label.label)}`,
    ...(label.unlabelled === "unknown" ? [] : [`without a label in time ${label.unlabelled}`]),
    `into topic ${label.topic}, stores ${list(label.stores)}`,
  ]);
}

export function watchText(watch: WatchSpec): string {
  return block(`watch ${watch.name}`, [
    `of ${watch.outcomes}`,
    ...watch.detectors.map((each) => `watches ${detectorText(each)}`),
    ...watch.triggers.map((each) => `retrains when ${triggerText(each)}`),
    `cooldown ${durationText(watch.cooldownMs)}`,
    `into topics ${watch.driftTopic}, ${watch.requestTopic}`,
  ]);
}

function detectorText(detector: DetectorSpec): string {
  const over = `over ${durationText(detector.overMs)}`;
  if (detector.kind === "features") return `${detector.kind} ${over}`;
  return `${detector.kind} ${over}: ${detector.metric} below ${detector.floor}`;
}

function triggerText(trigger: RetrainTrigger): string {
  switch (trigger.when) {
    case "no-model":
      return `there is no model and ${trigger.labels} labels`;
    case "drifted":
      return `${trigger.detector} drifted`;
    case "every":
      return `${durationText(trigger.periodMs)} have passed`;
    case "labels":
      return `${trigger.labels} labels have come`;
  }
}

export function trainingText({
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
