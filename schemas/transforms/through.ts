import type { RowLayout } from "../row-layout.ts";
import * as kinds from "./kinds.ts";
import type { Fields, SqlRecords, TransformCheck, TransformKind } from "./transform.ts";

type Kinds = typeof kinds;
type SpecOf<Kind> = Kind extends TransformKind<infer Spec> ? Spec : never;

/** What a stateless step was told. */
export type TransformSpec = SpecOf<Kinds[keyof Kinds]>;

const byName: Readonly<Record<TransformSpec["kind"], TransformKind<TransformSpec>>> = kinds;

/** Who asks about a plan that has been checked. */
const silent: TransformCheck = { condition: () => {}, problem: () => {} };

/** What becomes of a record that goes through all of them in order; null where it is left out. */
export function through(specs: readonly TransformSpec[]): (record: Fields) => Fields | null {
  const steps = specs.map((spec) => byName[spec.kind].apply(spec));
  return (record) => {
    let fields: Fields | null = record;
    for (const step of steps) {
      fields = step(fields);
      if (fields === null) return null;
    }
    return fields;
  };
}

/** Fields of the records that come out of all of them; what does not fit is told, where asked. */
export function layoutThrough(
  specs: readonly TransformSpec[],
  records: RowLayout,
  check: TransformCheck = silent,
): RowLayout {
  return specs.reduce((layout, spec) => byName[spec.kind].layout(spec, layout, check), records);
}

/** Field of the records that go in which a field of those that come out is a copy of, or null. */
export function copiedThrough(specs: readonly TransformSpec[], field: string): string | null {
  let name: string | null = field;
  for (const spec of specs.toReversed()) {
    name = name === null ? null : byName[spec.kind].copied(spec, name);
  }
  return name;
}

/** Fields of the records that go in which any of them may read; one too many by chance of names. */
export function readThrough(specs: readonly TransformSpec[]): string[] {
  return specs.flatMap((spec) => byName[spec.kind].reads(spec));
}

/** Whether every record that goes in comes out. */
export function keepsAll(specs: readonly TransformSpec[]): boolean {
  return specs.every(({ kind }) => byName[kind].keepsAll);
}

/** SELECT of the records that come out of all of them. */
export function throughSql(specs: readonly TransformSpec[], { select, carried }: SqlRecords) {
  return specs.reduce(
    (taken, spec) => byName[spec.kind].sql(spec, { select: taken, carried }),
    select,
  );
}

/** Why SQL cannot say what comes out of such records; null where it can. */
export function sqlGap(specs: readonly TransformSpec[], records: RowLayout): string | null {
  let taken = records;
  for (const spec of specs) {
    const { sqlGap: gapOf, layout } = byName[spec.kind];
    const gap = gapOf(spec, taken);
    if (gap !== null) return gap;
    taken = layout(spec, taken, silent);
  }
  return null;
}

/** A line for each of them. */
export function transformLines(specs: readonly TransformSpec[] = []): string[] {
  return specs.map((spec) => byName[spec.kind].text(spec));
}
