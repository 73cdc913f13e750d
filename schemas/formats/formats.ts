import type { RowLayout } from "../row-layout.ts";
import type { Format, FormatReader, FormatText, FormatWriter, ValueShape } from "./format.ts";
import * as kinds from "./kinds.ts";

type Kinds = typeof kinds;

const registry: Kinds = { ...kinds };

/** How the values of a topic are written, as data. */
export type FormatSpec = {
  [K in keyof Kinds]: Kinds[K]["format"] extends Format<infer Spec> ? Spec : never;
}[keyof Kinds];

/** Names and types of the fields of a format's records. @throws {Error} for a spec of no use. */
export function layoutOf(spec: FormatSpec): RowLayout {
  return formatOf(spec).layout(spec);
}

/** By the path of a field what its values are counted in, where that is no plain number or ms. */
export function unitsOf(spec: FormatSpec): ReadonlyMap<string, string> {
  return formatOf(spec).units(spec);
}

/** By their paths decimals and texts of a set. */
export function shapesOf(spec: FormatSpec): ReadonlyMap<string, ValueShape> {
  return formatOf(spec).shapes(spec);
}

/** Paths of what is never null, where the record around it is not: fields, and records. */
export function presentIn(spec: FormatSpec): ReadonlySet<string> {
  return formatOf(spec).present(spec);
}

/** By their paths the fields that are known of and not read, and what each is. */
export function unreadOf(spec: FormatSpec): ReadonlyMap<string, string> {
  return formatOf(spec).unread?.(spec) ?? new Map();
}

/** Everything that decides how records are read, as text. */
export function formatText(spec: FormatSpec): FormatText {
  return formatOf(spec).text(spec);
}

/** How records are read: the fields of the layout. */
export function openFormat(spec: FormatSpec): FormatReader {
  const format = formatOf(spec);
  return format.open(spec, new Set(format.layout(spec).fields.map(({ name }) => name)));
}

/** How records are written. */
export function formatWriter(spec: FormatSpec): FormatWriter {
  return formatOf(spec).writer(spec);
}

function formatOf(spec: FormatSpec): Format<FormatSpec> {
  return registry[spec.kind].format as unknown as Format<FormatSpec>;
}
