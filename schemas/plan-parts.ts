import { createHash } from "node:crypto";
import { unitsOf } from "./formats/formats.ts";
import {
  type OperatorSpecs,
  type Plan,
  readsSource,
  type StepKind,
  type Subtopology,
} from "./plan.ts";
import { freeFields, growthOf, isStepKind, nameOfStep } from "./steps/steps.ts";

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

/** What decides nothing of the state of a part, nor of the rows that it writes. */
export function freeIn(kind: PlanPart["kind"]): readonly string[] {
  if (kind === "source") return ["format", "subjects", "layout"];
  return kind === "topology" ? [] : freeFields(kind);
}

/** Of a step that grows: the id of the view that it gives; null: it is no such step. */
export function viewOfPart({ part, kind }: PlanPart): string | null {
  return isStepKind(kind) && growthOf(kind) !== null ? part.slice(kind.length + 1) : null;
}

/** The parts of a plan, each once. */
export function partsOf(plan: Omit<Plan, "fingerprint">): PlanPart[] {
  const { partitions, guarantee } = plan;
  return [
    partOf("topology", plan.name, { partitions, guarantee }),
    ...plan.sources.map((source) => partOf("source", source.topic, { ...source })),
    ...plan.steps.map((step) => partOf(step.kind, nameOfStep(step), { ...step.spec })),
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
 * how its snapshots and deltas read and what they mean. Partitions of a source decide nothing of
 * that: it may get more, and its state says to whom each position belongs.
 */
export function stateFingerprint(subtopology: Subtopology): Buffer {
  const known = fingerprints.get(subtopology);
  if (known !== undefined) return known;
  const made = digest(stateText(subtopology)).subarray(0, 8);
  fingerprints.set(subtopology, made);
  return made;
}

/** Each partition has a task, and each of them asks. */
const fingerprints = new WeakMap<Subtopology, Buffer>();

function stateText(subtopology: Subtopology): string {
  const { operator, partitions, inputs, outputs } = subtopology;
  const { kind } = operator;
  const spec = readsSource(operator)
    ? sourceState(operator.spec)
    : stateIn(operator.kind, operator.spec);
  const to = outputs.map((output) => {
    const { kind, ...rest } = output;
    if (output.kind === "inbox") {
      const { fanOut } = output;
      return { kind, ...rest, fanOut: fanOut === "same" ? "key" : fanOut };
    }
    if (!("schema" in rest)) return { kind, ...rest };
    return { kind, topic: rest.topic, partitioning: rest.partitioning };
  });
  const from = inputs.map((input) => {
    return { ...input, channels: input.channels === "same" ? "all" : input.channels };
  });
  const own = readsSource(operator) ? {} : { partitions };
  return canonical({ kind, spec, ...own, inputs: from, outputs: to });
}

/** What records go out as depends on the units of the fields that the routes name. */
function sourceState({ source, routes }: OperatorSpecs["source"]): object {
  const named = new Set([source.timeField, ...textsIn(routes)]);
  const units = [...unitsOf(source.format)].filter(([field]) => named.has(field));
  return {
    source: without(source, freeIn("source")),
    routes,
    ...(units.length > 0 && { units: Object.fromEntries(units) }),
  };
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Of an operator: the spec of its step where it is that alone, else those of the steps in it. */
function stateIn(kind: StepKind, spec: object): object {
  if (!(kind in spec)) return without(spec, freeFields(kind));
  return Object.fromEntries(
    Object.entries(spec).map(([name, value]) => {
      const isStep = isStepKind(name) && value !== null;
      return [name, isStep ? without(value, freeFields(name)) : value];
    }),
  );
}

function without(value: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
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
