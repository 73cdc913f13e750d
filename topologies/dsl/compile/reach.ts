import type {
  LabelDefinition,
  ScoringDefinition,
  Step,
  TrainingDefinition,
  ViewDefinition,
  WatchDefinition,
} from "../definitions.ts";
import { checkStepName } from "./names.ts";
import type { Problems } from "./problems.ts";

/** Everything that a topology's steps lead to, in an order that its names alone decide. */
export interface Reached {
  readonly views: readonly ViewDefinition[];
  readonly scorings: readonly Named<ScoringDefinition>[];
  readonly labels: readonly Named<LabelDefinition>[];
  readonly watches: readonly Named<WatchDefinition>[];
  readonly trainings: readonly Named<TrainingDefinition>[];
}

export interface Named<D> {
  readonly name: string;
  readonly definition: D;
}

/** Steps by name, and what they are built on; one that is built on but not named is a problem. */
export function reach(problems: Problems, steps: Readonly<Record<string, Step>>): Reached {
  const views = new Set<ViewDefinition>();
  const scorings = new Names<ScoringDefinition>(problems);
  const labels = new Names<LabelDefinition>(problems);
  const watches = new Names<WatchDefinition>(problems);
  const trainings = new Names<TrainingDefinition>(problems);
  // JavaScript lets anything through.
  for (const [name, step] of Object.entries<Step | undefined>(steps)) {
    switch (step?.kind) {
      case "feature-view":
        views.add(step.definition);
        break;
      case "predictions":
        scorings.add(name, step.definition);
        break;
      case "outcomes":
        labels.add(name, step.definition);
        break;
      case "training":
        watches.add(name, step.definition.watch);
        trainings.add(step.definition.name, step.definition);
        break;
      default:
        problems.add(
          `step "${name}"`,
          "is no finished step: views, predictions and outcomes end with into(), a watch with " +
            "trainedBy()",
        );
    }
  }
  for (const { name, definition } of watches.sorted()) {
    labels.need(definition.outcomes, "outcomes", definition.outcomes.topic, name);
  }
  for (const { name, definition } of labels.sorted()) {
    scorings.need(definition.predictions, "predictions", definition.predictions.topic, name);
  }
  for (const { definition } of scorings.sorted()) {
    for (const { view } of Object.values(definition.lookups)) views.add(view);
  }
  return {
    views: [...views].sort((a, b) => compareText(a.id, b.id)),
    scorings: scorings.sorted(),
    labels: labels.sorted(),
    watches: watches.sorted(),
    trainings: trainings.sorted(),
  };
}

/** Order of UTF-16 units: the same everywhere, unlike that of a locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Definitions of one kind and the names they are known by. */
class Names<D> {
  private readonly byDefinition = new Map<D, string>();
  private readonly problems: Problems;

  constructor(problems: Problems) {
    this.problems = problems;
  }

  add(name: string, definition: D): void {
    checkStepName(this.problems, "step", name);
    const other = this.byDefinition.get(definition);
    if (other === undefined) this.byDefinition.set(definition, name);
    else this.problems.add(`step "${name}"`, `is the same step as "${other}": name it once`);
  }

  need(definition: D, what: string, topic: string, by: string): void {
    if (this.byDefinition.has(definition)) return;
    this.problems.add(
      `step "${by}"`,
      `is built on the ${what} in "${topic}", which have no name: add them to the steps`,
    );
    // Known from here on, so that what lies beyond is checked too.
    this.byDefinition.set(definition, what);
  }

  sorted(): Named<D>[] {
    return [...this.byDefinition]
      .map(([definition, name]) => ({ name, definition }))
      .sort((a, b) => compareText(a.name, b.name));
  }
}
