import type { StepKind } from "../../../schemas/plan.ts";
import type { Need, Step } from "../definitions.ts";
import { offline, topic } from "../roles.ts";
import { isKind, stepModule } from "../step-modules.ts";
import { logisticRegression, type TrainBy } from "../training.ts";
import { checkStepName, compareText } from "./names.ts";
import type { Problems } from "./problems.ts";
import type { Named, Reached } from "./step-module.ts";

/**
 * Everything that a topology's steps lead to, in an order that its names alone decide; a step that
 * is built on but not named is a problem.
 */
export function reach(problems: Problems, steps: Readonly<Record<string, Step>>): Reached {
  const names = new Names(problems);
  // JavaScript lets anything through.
  for (const [name, step] of Object.entries<Step | undefined>(steps)) {
    if (step !== undefined && isKind(step.kind)) {
      names.add(name, step.kind, step.definition);
    } else {
      // What else is wrong with it is told too: it is checked as if it had its end.
      const ended = withEnd(step, name);
      if (ended !== null) names.add(name, ended.kind, ended.definition);
      problems.add(
        `step "${name}"`,
        "is no finished step: views, predictions and outcomes end with into(), a watch with " +
          "trainedBy()",
      );
    }
  }
  names.addNeeds();
  return (kind) => names.sorted(kind);
}

/** A step that lacks its last verb as it is with one; null: it lacks more, or is none. */
function withEnd(step: unknown, name: string): Step | null {
  const { into, trainedBy } = (step ?? {}) as {
    readonly into?: (first: object) => Step;
    readonly trainedBy?: TrainBy;
  };
  if (typeof trainedBy === "function") {
    return trainedBy(logisticRegression({ seed: 0 }), { over: "1d", trainingTime: "1s", name });
  }
  // Views take a store, others a topic first: this is both.
  return typeof into === "function" ? into({ ...topic(name), ...offline }) : null;
}

interface Entry extends Named {
  readonly kind: StepKind;
  /** What the topology calls it. */
  readonly called: string;
}

/** Definitions and the names they are known by. */
class Names {
  readonly #entries = new Map<object, Entry>();
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  add(called: string, kind: StepKind, definition: object): void {
    const own = stepModule(kind).ownName?.(definition);
    if (own === undefined) checkStepName(this.#problems, "step", called);
    const other = this.#entries.get(definition);
    if (other === undefined) {
      this.#entries.set(definition, { kind, definition, called, name: own ?? called });
    } else if (own === undefined) {
      this.#problems.add(`step "${called}"`, `is the same step as "${other.name}": name it once`);
    }
  }

  /** Follows what steps are built on; entries grow on the way, and are visited too. */
  addNeeds(): void {
    for (const { kind, definition, called } of this.#entries.values()) {
      const step = stepModule(kind);
      const origins = step.streams(definition).map(({ origin }) => origin);
      const givers = origins.filter((each) => "definition" in each);
      for (const need of [...step.needs(definition, called), ...givers]) {
        if (need.topic === undefined) this.add(need.name, need.kind, need.definition);
        else this.#needNamed(need, need.topic, called);
      }
    }
  }

  #needNamed({ kind, definition, name }: Need, topic: string, by: string): void {
    if (this.#entries.has(definition)) return;
    this.#problems.add(
      `step "${by}"`,
      `is built on the ${name} in "${topic}", which have no name: add them to the steps`,
    );
    // Known from here on, so that what lies beyond is checked too.
    this.#entries.set(definition, { kind, definition, called: name, name });
  }

  sorted(kind: StepKind): Named[] {
    return [...this.#entries.values()]
      .filter((each) => each.kind === kind)
      .map(({ name, definition }) => ({ name, definition }))
      .sort((a, b) => compareText(a.name, b.name));
  }
}
