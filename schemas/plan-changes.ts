import { type FormatSpec, unitsOf } from "./formats/formats.ts";
import { canonical, freeIn, type PlanPart } from "./plan-parts.ts";
import type { RowField, RowLayout } from "./row-layout.ts";
import type { StepGrowth } from "./steps/step-facts.ts";
import { growthOf } from "./steps/steps.ts";

/**
 * What a start with another plan means for a part. `safe`: its state and rows go on; `grow`: it
 * needs what came before it began; `break`: its state would mean something else.
 */
export interface PlanChange {
  readonly part: string;
  readonly kind: "safe" | "grow" | "break";
  /** What is different, for people. */
  readonly what: string;
  /** What to do about it; null where a start goes on. */
  readonly remedy: string | null;
}

/** What differs between two plans of one topology, part by part, in the order of the new one. */
export function planChanges(
  before: readonly PlanPart[],
  after: readonly PlanPart[],
): readonly PlanChange[] {
  const known = new Map(before.map((part) => [part.part, part]));
  const standing = new Set(known.keys());
  const changes = after.flatMap((part): PlanChange[] => {
    const was = known.get(part.part);
    known.delete(part.part);
    if (was === undefined) return [added(part, after, standing)];
    return was.fingerprint === part.fingerprint ? [] : [changed(was, part)];
  });
  const removed = [...known.values()].map(({ part }): PlanChange => {
    const remedy = `keep it, or ${elsewhere}`;
    return { part, kind: "break", what: "is gone, but has tasks, topics and rows", remedy };
  });
  return [...changes, ...removed];
}

/** Whether a start with them is refused. */
export function isRefused(changes: readonly PlanChange[]): boolean {
  return changes.some(({ remedy }) => remedy !== null);
}

/** The worst of them; `same` where there is none. */
export function verdictOf(changes: readonly PlanChange[]): PlanChange["kind"] | "same" {
  for (const kind of ["break", "grow", "safe"] as const) {
    if (changes.some((change) => change.kind === kind)) return kind;
  }
  return "same";
}

const elsewhere = "give the topology another name, or start over";

/** A step that grows over a source is filled beside the others, even over a source of its own. */
function added(
  one: PlanPart,
  after: readonly PlanPart[],
  standing: ReadonlySet<string>,
): PlanChange {
  const { part, kind } = one;
  const what = "is new";
  if (growthIn(kind) !== null) {
    const isOverSource = after.some((each) => each.part === `source ${one.definition["source"]}`);
    if (isOverSource) return { part, kind: "grow", what, remedy: null };
    const over = `${what}, over records that the step ${one.definition["source"]} yields`;
    return { part, kind: "grow", what: over, remedy: `build it on a source, or ${elsewhere}` };
  }
  const readers = after.filter((each) => `source ${each.definition["source"]}` === part);
  const isForViews = readers.every(
    (each) => growthIn(each.kind) !== null && !standing.has(each.part),
  );
  if (kind === "source" && isForViews) return { part, kind: "grow", what, remedy: null };
  const reason = kind === "source" ? "what the tasks read" : "steps that stand";
  return { part, kind: "break", what: `${what}, and changes ${reason}`, remedy: elsewhere };
}

function changed(was: PlanPart, is: PlanPart): PlanChange {
  const { part, kind } = is;
  const names = changedFields(was, is);
  const growth = growthIn(kind);
  const inColumns: readonly string[] = growth?.fields ?? [];
  const what = [
    ...(growth !== null && names.some((name) => inColumns.includes(name))
      ? columnChanges(growth, was, is)
      : []),
    ...names
      .filter((name) => !inColumns.includes(name))
      .map((name) => `${name} ${difference(was.definition[name], is.definition[name])}`),
  ].join("; ");
  const bound = boundChanges(was, is);
  if (kind === "source" && !names.every((name) => name !== "layout" || widened(was, is))) {
    return { part, kind: "break", what, remedy: `keep the fields, or ${elsewhere}` };
  }
  const units = kind === "source" ? otherUnits(was, is) : [];
  if (units.length > 0) {
    const remedy = `keep the units, or ${elsewhere}`;
    return { part, kind: "break", what: units.join("; "), remedy };
  }
  if (bound.length === 0) return { part, kind: "safe", what, remedy: null };
  const grown = growth === null ? null : newColumns(growth, was, is, bound);
  if (grown !== null && grown.length > 0) {
    const remedy = `keep the columns that it has, or ${elsewhere}`;
    return { part, kind: "grow", what: `gets ${grown.join(", ")}`, remedy };
  }
  const remedy = growth !== null ? `make it another version, or ${elsewhere}` : elsewhere;
  return { part, kind: "break", what, remedy };
}

/** Whether all fields are still there as they were; what they mean for people is no matter. */
function widened(was: PlanPart, is: PlanPart): boolean {
  const typed = ({ name, type, nullable }: RowField) => canonical({ name, type, nullable });
  const now = new Set(fieldsOf(is).map(typed));
  return fieldsOf(was).every((field) => now.has(typed(field)));
}

/** Fields whose values are taken for another unit than they were. */
function otherUnits(was: PlanPart, is: PlanPart): string[] {
  const [before, after] = [was, is].map(({ definition }) => definition["format"] as FormatSpec);
  // What is written in another format says so itself, or cannot be read as it.
  if (before === undefined || after === undefined || before.kind !== after.kind) return [];
  const [units, now] = [unitsOf(before), unitsOf(after)];
  return fieldsOf(was).flatMap(({ name }) => {
    const [from = "ms", to = "ms"] = [units.get(name), now.get(name)];
    return from === to ? [] : [`the unit of ${name} ${from} → ${to}`];
  });
}

function fieldsOf({ definition }: PlanPart): readonly RowField[] {
  return (definition["layout"] as RowLayout | undefined)?.fields ?? [];
}

function growthIn(kind: PlanPart["kind"]): StepGrowth<unknown> | null {
  return kind === "source" || kind === "topology" ? null : growthOf(kind);
}

/**
 * Columns that a step gets, and nothing else about its rows changes; none where they only stand in
 * another order; null: it is not so.
 */
export function addedColumns(was: PlanPart, is: PlanPart): readonly string[] | null {
  const growth = growthIn(is.kind);
  return growth === null ? null : newColumns(growth, was, is, boundChanges(was, is));
}

/** Fields that differ, of those that decide something. */
function boundChanges(was: PlanPart, is: PlanPart): string[] {
  return changedFields(was, is).filter((name) => !freeIn(is.kind).includes(name));
}

function changedFields(was: PlanPart, is: PlanPart): string[] {
  return [...new Set([...Object.keys(was.definition), ...Object.keys(is.definition)])]
    .filter((name) => canonical(was.definition[name]) !== canonical(is.definition[name]))
    .sort();
}

/** Columns that a step has besides those it had; null where one of these is not the same. */
function newColumns(
  { fields, columns }: StepGrowth<unknown>,
  was: PlanPart,
  is: PlanPart,
  names: readonly string[],
): string[] | null {
  if (!names.every((name) => (fields as readonly string[]).includes(name))) return null;
  const [before, after] = [columns(was.definition), columns(is.definition)];
  for (const [column, definition] of before) {
    if (canonical(after.get(column)) !== canonical(definition)) return null;
  }
  return [...after.keys()].filter((column) => !before.has(column));
}

/** What became of the columns of a step, by their names. */
function columnChanges(
  { columns }: StepGrowth<unknown>,
  was: PlanPart,
  is: PlanPart,
): readonly string[] {
  const [before, after] = [columns(was.definition), columns(is.definition)];
  const stay = [...before.keys()].filter((column) => after.has(column));
  const isOther = (column: string) =>
    canonical(before.get(column)) !== canonical(after.get(column));
  const told = [
    [[...before.keys()].filter((column) => !after.has(column)), "no more"],
    [stay.filter(isOther), "computed otherwise"],
    [[...after.keys()].filter((column) => !before.has(column)), "new"],
  ] as const;
  return told.flatMap(([names, became]) =>
    names.length === 0 ? [] : [`${became}: ${names.join(", ")}`],
  );
}

/** As much of two values as a line has room for, from shortly before they differ. */
function difference(was: unknown, is: unknown): string {
  const [before, after] = [was, is].map((value) =>
    value === undefined ? "nothing" : canonical(value),
  ) as [string, string];
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  const from = Math.max(before.length, after.length) <= 60 ? 0 : Math.max(0, same - 20);
  const shown = (text: string) => {
    const part = text.slice(from, from + 60);
    return `${from > 0 ? "…" : ""}${part}${from + 60 < text.length ? "…" : ""}`;
  };
  return `${shown(before)} → ${shown(after)}`;
}
