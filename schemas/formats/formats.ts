import type { RowLayout } from "../row-layout.ts";
import { avroFormat } from "./avro/avro-format.ts";
import type { Format, FormatReader } from "./format.ts";

/** Every format of records, by the kind of its spec. */
const formats = {
  avro: avroFormat,
};

type Formats = typeof formats;

/** How the values of a topic are written, as data. */
export type FormatSpec = {
  [K in keyof Formats]: Parameters<Formats[K]["layout"]>[0];
}[keyof Formats];

/** Names and types of the fields of a format's records. @throws {Error} for a spec of no use. */
export function layoutOf(spec: FormatSpec): RowLayout {
  return formatOf(spec).layout(spec);
}

/** How records are read: all fields of the layout, or those wanted. */
export function openFormat(spec: FormatSpec, wanted?: ReadonlySet<string>): FormatReader {
  const format = formatOf(spec);
  return format.open(spec, wanted ?? new Set(format.layout(spec).fields.map(({ name }) => name)));
}

function formatOf(spec: FormatSpec): Format<FormatSpec> {
  return formats[spec.kind] as unknown as Format<FormatSpec>;
}
