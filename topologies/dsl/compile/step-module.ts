import type { ViewColumns } from "../../../schemas/feature-view.ts";
import type { Plan, StepKind, StepSpec, StepSpecs } from "../../../schemas/plan.ts";
import type { RouteSpec } from "../../../schemas/route.ts";
import type { Need, StreamDefinition } from "../definitions.ts";
import type { Part } from "./link.ts";
import type { Problems } from "./problems.ts";

export interface Named<D extends object = object> {
  readonly name: string;
  readonly definition: D;
}

/** Of each kind everything that the steps of a topology lead to, by name. */
export type Reached = (kind: StepKind) => readonly Named[];

/** What the specs of one kind may be made of. */
export interface Context {
  readonly topology: string;
  readonly reached: Reached;
  /** Definitions of the steps that others take records of. */
  readonly giving: ReadonlySet<object>;
  /** Of the kinds that it comes `after`, and of others. */
  readonly steps: readonly StepSpec[];
  /** Views that have other columns than they were told, by their ids. */
  readonly columns: ReadonlyMap<string, ViewColumns>;
}

/** The specs of a plan, before they are cut into subtopologies. */
export type Specs = Pick<Plan, "name" | "partitions" | "guarantee" | "sources" | "steps">;

/**
 * All about one kind of step behind its verb. Each stands in a folder of its own, and `kinds.ts`
 * lists them: whatever else compiles or prints steps reads it here.
 */
export interface StepModule<K extends StepKind = StepKind, D extends object = object> {
  /** Kinds whose specs its own are made of. */
  readonly after: readonly StepKind[];
  /** Name that a step brings itself, whatever a topology calls it. @default what that says */
  ownName?(definition: D): string;
  /** @param name - what the topology calls the step. */
  needs(definition: D, name: string): readonly Need[];
  /** Streams that it takes records of; what yields them is needed too. */
  streams(definition: D): readonly StreamDefinition[];
  /** Checks all steps of the kind, and says what each was told. */
  specs(problems: Problems, steps: readonly Named<D>[], context: Context): readonly StepSpecs[K][];
  /** Its share of the subtopologies. */
  part(spec: StepSpecs[K], specs: Specs): Part;
  /** What `describe` prints. */
  text(spec: StepSpecs[K]): string;
}

/** Name in the plan of what yields the records of a stream. */
export function originOf({ reached }: Context, { origin }: StreamDefinition): string {
  if (!("definition" in origin)) return origin.topic;
  return nameOf(reached(origin.kind), origin.definition);
}

/** What the records of a stream go through, where they do. */
export function throughOf({ through = [] }: Pick<RouteSpec, "through">) {
  return through.length > 0 ? { through } : {};
}

/** Name of a definition among those reached; every one has one. */
export function nameOf(all: readonly Named[], definition: object): string {
  return all.find((each) => each.definition === definition)?.name ?? "";
}
