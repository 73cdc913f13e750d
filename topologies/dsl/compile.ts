import { createHash } from "node:crypto";
import type { ViewColumns } from "../../schemas/feature-view.ts";
import type { Plan, StepSpec } from "../../schemas/plan.ts";
import { checkCycles } from "./compile/cycles.ts";
import { accounts, link, type Part } from "./compile/link.ts";
import { checkTopologyName } from "./compile/names.ts";
import { checkOfflineNames } from "./compile/offline-names.ts";
import { Problems } from "./compile/problems.ts";
import { reach } from "./compile/reach.ts";
import { sourcePart } from "./compile/source-part.ts";
import { checkStreams, sourceSpecs } from "./compile/source-specs.ts";
import type { Context, Reached, Specs } from "./compile/step-module.ts";
import { storedTopics } from "./compile/stored-topics.ts";
import { topicSpecs } from "./compile/topics.ts";
import type { Step } from "./definitions.ts";
import { describe } from "./describe.ts";
import { freezeDeeply } from "./freeze.ts";
import { stepKinds, stepModule } from "./step-modules.ts";

/** What a topology says about itself as a whole. */
export type PlanSettings = Pick<Plan, "name" | "partitions" | "guarantee">;

/** A topic has this many partitions at most: a task is numbered with 16 bits. */
const partitionsMax = 1_024;

/**
 * Compiles steps to a frozen plan. Pure: names of state and topics come from the names given, and
 * the order of the steps changes nothing.
 *
 * @param columns - views that have other columns than the steps say, by their ids.
 * @throws {MillraceError} TOPOLOGY_INVALID listing every rule of the steps that does not hold;
 * where all do, every one of what they compile to (cycles, names of topics and tables).
 */
export function compile(
  settings: PlanSettings,
  steps: Readonly<Record<string, Step>>,
  columns: ReadonlyMap<string, ViewColumns> = new Map(),
): Plan {
  const problems = new Problems();
  checkTopologyName(problems, settings.name);
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
  const specs = resolve(problems, settings, reach(problems, steps), columns);
  const parts = [
    ...specs.sources.map((source) => sourcePart(source, specs.partitions)),
    ...specs.steps.map(({ kind, spec }) => stepModule(kind).part(spec, specs)),
  ];
  checkNames(problems, parts);
  // What follows goes from name to name, and would not end where two parts share one.
  problems.throwIfAny(settings.name);
  const subtopologies = link(specs.name, parts);
  checkOfflineNames(problems, parts);
  checkCycles(problems, subtopologies);
  const topics = topicSpecs(problems, specs, subtopologies, parts);
  problems.throwIfAny(settings.name);
  const { name, partitions, guarantee, sources } = specs;
  const plan = {
    name,
    partitions,
    guarantee,
    sources,
    steps: specs.steps,
    accounts: accounts(parts),
    stored: storedTopics(name, parts),
    subtopologies,
    topics,
  };
  const fingerprint = createHash("sha256").update(describe(plan)).digest("hex");
  const built = { ...plan, fingerprint };
  // No part of what the plan says: neither printed nor compared.
  Object.defineProperty(built, "withColumns", {
    value: (other: ReadonlyMap<string, ViewColumns>) => compile(settings, steps, other),
  });
  return freezeDeeply(built);
}

function resolve(
  problems: Problems,
  settings: PlanSettings,
  reached: Reached,
  columns: Context["columns"],
): Specs {
  const steps: StepSpec[] = [];
  const streams = stepKinds.flatMap((kind) =>
    reached(kind).flatMap(({ definition }) => stepModule(kind).streams(definition)),
  );
  const giving = new Set(
    streams.flatMap(({ origin }) => ("definition" in origin ? [origin.definition] : [])),
  );
  for (const kind of stepKinds) {
    const context = { topology: settings.name, reached, giving, steps, columns };
    const specs = stepModule(kind).specs(problems, reached(kind), context);
    // The kind says what its specs are, which the types cannot follow through the table.
    steps.push(...specs.map((spec) => ({ kind, spec }) as StepSpec));
  }
  checkStreams(problems, streams);
  return { ...settings, sources: sourceSpecs(problems, streams), steps };
}

/** Names of sources and steps are names of state: each stands for one thing. */
function checkNames(problems: Problems, parts: readonly Part[]): void {
  const taken = new Set<string>();
  for (const { name } of parts) {
    problems.check(
      !taken.has(name),
      `step "${name}"`,
      "has the name of another step or of a source: rename one (a training has a name of its " +
        'own, "training" unless trainedBy() says otherwise)',
    );
    taken.add(name);
  }
}
