import type { Plan } from "../../schemas/plan.ts";
import { type TransformSpec, through } from "../../schemas/transforms/through.ts";

/** A record of a source or a step as it is known. */
export interface Known {
  readonly knownAt: number;
  readonly time: number;
  readonly partition: number;
  readonly index: number;
  readonly record: Readonly<Record<string, unknown>>;
}

/** A prediction or an outcome, in the order in which its task makes those of an instant. */
export interface Made extends Known {
  readonly order: readonly number[];
}

/** What is known so far; each step adds what it yields under its name. */
export interface World {
  readonly plan: Plan;
  /** Event time that no input goes beyond. */
  readonly end: number;
  /** By source and step the records that it yields, in order. */
  readonly known: Map<string, readonly Known[]>;
  /** By step what its tasks made of records. */
  readonly made: Map<string, readonly Made[]>;
  /** By view the events of each entity, in order. */
  readonly eventsOf: Map<string, ReadonlyMap<string, readonly Known[]>>;
  readonly rows: string[];
  readonly predictions: string[];
  readonly outcomes: string[];
}

/**
 * One kind of step over all records in order, from the definition alone: sorted lists and full
 * scans, obviously right and quadratic.
 */
export interface StepOracle<Spec> {
  /** Names of the sources and steps whose records have to be known first. */
  needs(spec: Spec): readonly string[];
  /** Adds what the step yields. */
  add(spec: Spec, world: World): void;
}

/** Records as a step takes them. */
export function streamOf(
  {
    source,
    through: specs = [],
  }: { readonly source: string; readonly through?: readonly TransformSpec[] },
  { known }: World,
): Known[] {
  const derive = through(specs);
  return (known.get(source) ?? []).flatMap((each) => {
    const record = derive(each.record);
    return record === null ? [] : [{ ...each, record }];
  });
}

/** Order in which tasks take records. */
export function inOrder(a: Known, b: Known): number {
  return a.knownAt - b.knownAt || a.partition - b.partition || a.index - b.index;
}

/** What tasks made, as those behind them take it. */
export function inTasks(made: readonly Made[]): Known[] {
  const before = (a: Made, b: Made) => {
    const i = a.order.findIndex((each, at) => each !== b.order[at]);
    return i < 0 ? 0 : (a.order[i] as number) - (b.order[i] as number);
  };
  const sorted = [...made].sort((a, b) => a.knownAt - b.knownAt || before(a, b));
  return sorted.map((each, index) => ({ ...each, index })).sort(inOrder);
}
