import { createHash } from "node:crypto";
import { viewId } from "./feature-view.ts";
import { unitsOf } from "./formats/formats.ts";
import type { OperatorSpecs, Plan, StepKind, Subtopology } from "./plan.ts";

/** A part of a plan that is compared with what it was: the topology, a source, or a step. */
export interface PlanPart {
  /** Unique in a plan, e.g. `view card_spending@1`. */
  readonly part: string;
  readonly kind: "topology" | "source" | StepKind;
  /** What it was told: plain JSON. */
  readonly definition: Readonly<Record<string, unknown>>;
  /** sha256 of the definition. */
  readonly fingerprint: string;
}

/** What decides nothing of the state of a step, nor of the rows that it writes. */
export const free: Readonly<Record<PlanPart["kind"], ReadonlySet<string>>> = {
  topology: new Set(),
  source: new Set(["format", "subjects", "layout"]),
  dedup: new Set(),
  view: new Set(["ttlMs", "stores"]),
  scoring: new Set(["deadlineMs", "fallback", "stores"]),
  label: new Set(["stores"]),
  watch: new Set(),
  training: new Set(["algorithm", "overMs", "promoteWhen"]),
};

/** The parts of a plan, each once. */
export function partsOf(plan: Omit<Plan, "fingerprint">): PlanPart[] {
  const { partitions, guarantee } = plan;
  return [
    partOf("topology", plan.name, { partitions, guarantee }),
    ...plan.sources.map((source) => partOf("source", source.topic, { ...source })),
    ...plan.steps.map(({ kind, spec }) => {
      const name = kind === "view" ? viewId(spec) : spec.name;
      return partOf(kind, name, { ...spec });
    }),
  ];
}

function partOf(
  kind: PlanPart["kind"],
  name: string,
  definition: PlanPart["definition"],
): PlanPart {
  const text = canonical(definition);
  return {
    part: `${kind} ${name}`,
    kind,
    // As it will be read again: what JSON leaves out is no part of it.
    definition: JSON.parse(text) as PlanPart["definition"],
    fingerprint: digest(text).toString("hex"),
  };
}

/**
 * 8 bytes that tell the state of a task's kind from that of another definition: all that decides
 * how its snapshots and deltas read and what they mean.
 */
export function stateFingerprint(subtopology: Subtopology): Buffer {
  const { operator, partitions, inputs, outputs } = subtopology;
  const spec = operator.kind === "source" ? sourceState(operator.spec) : stateIn(operator.spec);
  const to = outputs.map(({ kind, ...rest }) => {
    if (kind === "inbox" || !("schema" in rest)) return { kind, ...rest };
    return { kind, topic: rest.topic, partitioning: rest.partitioning };
  });
  const text = canonical({ kind: operator.kind, spec, partitions, inputs, outputs: to });
  return digest(text).subarray(0, 8);
}

/** What records go out as depends on the units of the fields that the routes name. */
function sourceState({ source, routes }: OperatorSpecs["source"]): object {
  const named = new Set([source.timeField, ...textsIn(routes)]);
  const units = [...unitsOf(source.format)].filter(([field]) => named.has(field));
  return {
    source: without(source, free.source),
    routes,
    ...(units.length > 0 && { units: Object.fromEntries(units) }),
  };
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Of an operator: its own spec, and those of the steps in it. */
function stateIn(spec: object): object {
  const parts: Readonly<Record<string, ReadonlySet<string>>> = {
    scoring: free.scoring,
    label: free.label,
    training: free.training,
  };
  const own = "aggregates" in spec ? without(spec, free.view) : spec;
  return Object.fromEntries(
    Object.entries(own).map(([name, value]) => {
      const known = parts[name];
      return [name, known === undefined || value === null ? value : without(value, known)];
    }),
  );
}

function without(value: object, names: ReadonlySet<string>): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.has(name)));
}

/** JSON whose keys are sorted: equal for equal values. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, each: unknown) => {
      // A whole number beyond the exact doubles, in a condition.
      if (typeof each === "bigint") return `${each}n`;
      if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
      const entries = Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1));
      return Object.fromEntries(entries);
    }) ?? "null"
  );
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
