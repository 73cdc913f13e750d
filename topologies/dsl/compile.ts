import { createHash } from "node:crypto";
import { viewId } from "../../schemas/feature-view.ts";
import type { AccountSpec, Plan, StepSpec } from "../../schemas/plan.ts";
import { checkCycles } from "./compile/cycles.ts";
import { labelSpecs } from "./compile/label-specs.ts";
import { type Specs, scoringLoop } from "./compile/link.ts";
import { trainingSubtopology, watchSubtopology } from "./compile/loop-subtopologies.ts";
import { checkStepName } from "./compile/names.ts";
import { checkOfflineNames } from "./compile/offline-names.ts";
import { Problems } from "./compile/problems.ts";
import { type Reached, reach } from "./compile/reach.ts";
import { scoringSpecs } from "./compile/scoring-specs.ts";
import { scoringSubtopology } from "./compile/scoring-subtopology.ts";
import { sourceSpecs } from "./compile/source-specs.ts";
import { sourceSubtopology } from "./compile/source-subtopology.ts";
import { storedTopics } from "./compile/stored-topics.ts";
import { topicSpecs } from "./compile/topics.ts";
import { trainingSpecs, watchSpecs } from "./compile/training-specs.ts";
import { viewSpecs } from "./compile/view-specs.ts";
import { viewSubtopology } from "./compile/view-subtopology.ts";
import type { Step } from "./definitions.ts";
import { describe } from "./describe.ts";
import { freezeDeeply } from "./freeze.ts";

/** What a topology says about itself as a whole. */
export type PlanSettings = Pick<Plan, "name" | "partitions" | "guarantee">;

/** A topic has this many partitions at most: a task is numbered with 16 bits. */
const partitionsMax = 1_024;

/**
 * Compiles steps to a frozen plan. Pure: names of state and topics come from the names given, and
 * the order of the steps changes nothing.
 *
 * @throws {MillraceError} TOPOLOGY_INVALID listing every rule that does not hold.
 */
export function compile(settings: PlanSettings, steps: Readonly<Record<string, Step>>): Plan {
  const problems = new Problems();
  checkStepName(problems, "topology", settings.name);
  problems.check(Object.keys(steps).length > 0, "topology", "has no steps");
  problems.check(
    Number.isSafeInteger(settings.partitions) &&
      settings.partitions >= 1 &&
      settings.partitions <= partitionsMax,
    "topology",
    `partitions is ${settings.partitions}; it must be a whole number from 1 to ${partitionsMax}`,
  );
  problems.check(
    settings.guarantee === "exactly-once" || settings.guarantee === "at-least-once",
    "topology",
    `guarantee "${settings.guarantee}" is unknown: write "exactly-once" or "at-least-once"`,
  );
  const specs = resolve(problems, settings, reach(problems, steps));
  const subtopologies = [
    ...specs.sources.map((source) => sourceSubtopology(specs, source)),
    ...specs.views.map((view) => viewSubtopology(specs, view)),
    ...specs.scorings.map((scoring) => scoringSubtopology(specs, scoringLoop(specs, scoring))),
    ...specs.watches.map((watch) => watchSubtopology(specs, watch)),
    ...specs.trainings.map((training) => trainingSubtopology(specs, training)),
  ];
  checkNames(problems, specs);
  checkOfflineNames(problems, specs);
  checkCycles(problems, subtopologies);
  const topics = topicSpecs(problems, specs, subtopologies);
  problems.throwIfAny(settings.name);
  const { name, partitions, guarantee, sources } = specs;
  const plan = {
    name,
    partitions,
    guarantee,
    sources,
    steps: stepSpecs(specs),
    accounts: accountSpecs(specs),
    stored: storedTopics(specs, subtopologies),
    subtopologies,
    topics,
  };
  const fingerprint = createHash("sha256").update(describe(plan)).digest("hex");
  return freezeDeeply({ ...plan, fingerprint });
}

function resolve(problems: Problems, settings: PlanSettings, reached: Reached): Specs {
  const views = viewSpecs(problems, reached.views);
  const scorings = scoringSpecs(problems, reached.scorings, views);
  const labels = labelSpecs(problems, reached.labels, reached.scorings);
  const watches = watchSpecs(problems, settings.name, reached.watches, reached.labels);
  const trainings = trainingSpecs(problems, reached, labels, scorings);
  const sources = sourceSpecs(problems, [
    ...reached.views.map(({ source }) => source),
    ...reached.scorings.map(({ definition }) => definition.source),
    ...reached.labels.map(({ definition }) => definition.source),
  ]);
  return { ...settings, sources, views, scorings, labels, watches, trainings };
}

function stepSpecs(specs: Specs): StepSpec[] {
  return [
    ...specs.views.map((spec) => ({ kind: "view", spec }) as const),
    ...specs.scorings.map((spec) => ({ kind: "scoring", spec }) as const),
    ...specs.labels.map((spec) => ({ kind: "label", spec }) as const),
    ...specs.watches.map((spec) => ({ kind: "watch", spec }) as const),
    ...specs.trainings.map((spec) => ({ kind: "training", spec }) as const),
  ];
}

/** Every view, scoring and label step takes the records of one source. */
function accountSpecs(specs: Specs): AccountSpec[] {
  const account = (branch: string, source: string) => ({
    branch,
    source,
    partitions: specs.partitions,
  });
  return [
    ...specs.views.map((view) => account(viewId(view), view.source)),
    ...specs.scorings.map(({ name, source }) => account(name, source)),
    ...specs.labels.map(({ name, source }) => account(name, source)),
  ];
}

/** Names of steps are names of state: each stands for one thing. */
function checkNames(problems: Problems, specs: Specs): void {
  const taken = new Set<string>(specs.sources.map(({ topic }) => topic));
  const named = [...specs.scorings, ...specs.labels, ...specs.watches, ...specs.trainings];
  for (const { name } of named) {
    problems.check(
      !taken.has(name),
      `step "${name}"`,
      "has the name of another step or of a source: rename one (a training has a name of its " +
        'own, "training" unless trainedBy() says otherwise)',
    );
    taken.add(name);
  }
}
