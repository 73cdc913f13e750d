import type { ByteWriter } from "../../bytes.ts";
import { formatVerb } from "../format.ts";
import {
  type FieldSpecs,
  type Fields,
  layoutOfTypes,
  presentInTypes,
  type RecordOf,
  shapesOfTypes,
  textOfTypes,
  unitsOfTypes,
} from "../types.ts";
import { jsonRead } from "./json-read.ts";
import { jsonText } from "./json-write.ts";

/** Objects of JSON with declared fields, plain or behind a magic byte and a schema id. */
export interface JsonFormatSpec {
  readonly kind: "json";
  readonly fields: FieldSpecs;
}

/**
 * JSON, plain or in Confluent's framing (whose schema is not looked up): one object a record, its
 * fields declared. A record is a dead letter (`MALFORMED_JSON`) where it is no JSON or no UTF-8,
 * where a field that is not `nullable` is missing or null, stands there twice, or is of another
 * type. What is not declared is passed over.
 *
 * @example
 * from("payments", json({
 *   paymentId: types.text(),
 *   paidAt: types.timestamp("iso"),
 *   amount: types.decimal(),
 *   customer: types.record({ country: types.nullable(types.text()) }),
 * }))
 */
export const json = formatVerb(
  <F extends Fields>(fields: F): JsonFormatSpec & { readonly __type?: RecordOf<F> } => {
    return { kind: "json", fields };
  },
  {
    layout: ({ fields }: JsonFormatSpec) => layoutOfTypes(fields),
    units: ({ fields }) => unitsOfTypes(fields),
    shapes: ({ fields }) => shapesOfTypes(fields),
    present: ({ fields }) => presentInTypes(fields),
    text: ({ fields }) => ({ heading: "json", lines: textOfTypes(fields) }),
    open: ({ fields }, paths) => ({
      name: "JSON",
      malformed: "MALFORMED_JSON",
      framing: "optional",
      bySchema: false,
      readerOf: () => jsonRead(fields, paths),
    }),
    writer: ({ fields }) => ({
      name: "JSON",
      schema: null,
      fields: Object.keys(fields),
      write: (value, into) => writeText(jsonText(fields, value), into),
    }),
  },
);

function writeText(text: string, into: ByteWriter): void {
  const bytes = Buffer.from(text);
  into.raw(bytes, 0, bytes.length);
}
