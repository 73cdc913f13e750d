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
import { declaredRead } from "./declared-read.ts";

/** A decoder as a user writes it. */
export interface DecoderOptions<F extends Fields> {
  /** Letters, digits, `_` and `-`; with the version it stands for the function in comparisons. */
  readonly name: string;
  /** 1 or more; another one says that the function decodes otherwise. */
  readonly version: number;
  readonly fields: F;
  /**
   * The record of a value, or text that says why it is none. Equal bytes have to give equal
   * records, at any time; timestamps come as numbers in the unit of their type.
   *
   * @param bytes - a view of the value, to be left as it is and not kept.
   */
  readonly decode: (bytes: Uint8Array) => RecordOf<F> | string;
  /**
   * The bytes of a record, for a feeder and for tests.
   *
   * @default the application feeds no such topic
   */
  readonly encode?: (record: RecordOf<F>) => Uint8Array;
}

/** Values that a function of the application decodes. */
export interface DecoderFormatSpec {
  readonly kind: "decoder";
  readonly name: string;
  readonly version: number;
  readonly fields: FieldSpecs;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode?: (record: never) => Uint8Array;
}

/**
 * A format of one's own: a function that is given the bytes of a value, and gives the record of the
 * declared fields. Its records are checked; one is a dead letter (`MALFORMED_RECORD`) where the
 * function says why it is none or throws, where a field that is not `nullable` is missing or null,
 * or is of another type.
 *
 * @throws {Error} for a name or a version of no use, for a timestamp as ISO text and a list of
 * records.
 * @example
 * from("readings", decoder({
 *   name: "readings",
 *   version: 1,
 *   fields: { sensor: types.integer(), at: types.timestamp("s"), value: types.number() },
 *   decode: (bytes) => {
 *     if (bytes.length !== 16) return `it has ${bytes.length} bytes, not 16`;
 *     const view = new DataView(bytes.buffer, bytes.byteOffset);
 *     return { sensor: view.getUint32(0), at: view.getUint32(4), value: view.getFloat64(8) };
 *   },
 * }))
 */
export const decoder = formatVerb(
  <const F extends Fields>({
    name,
    version,
    fields,
    decode,
    encode,
  }: DecoderOptions<F>): DecoderFormatSpec & { readonly __type?: RecordOf<F> } => {
    if (!/^[A-Za-z][\w-]*$/.test(name)) {
      throw new Error(`decoder "${name}" needs a name of letters, digits, _ and -`);
    }
    if (!Number.isSafeInteger(version) || version < 1) {
      throw new Error(`the version of decoder "${name}" is ${version}, not a whole number from 1`);
    }
    // Throws for fields that no function can give.
    declaredRead(fields, decode);
    const spec = { kind: "decoder", name, version, fields, decode } as const;
    return encode === undefined ? spec : { ...spec, encode };
  },
  {
    layout: ({ fields }: DecoderFormatSpec) => ({
      // A whole number of 64 bits may come without a sign.
      fields: layoutOfTypes(fields).fields.map((field) =>
        field.type === "integer" ? { ...field, unsigned: true } : field,
      ),
    }),
    units: ({ fields }) => unitsOfTypes(fields),
    shapes: ({ fields }) => shapesOfTypes(fields),
    present: ({ fields }) => presentInTypes(fields),
    text: ({ name, version, fields }) => ({
      heading: `decoder ${name}#${version}`,
      lines: textOfTypes(fields),
    }),
    open: ({ name, fields, decode }) => ({
      name,
      malformed: "MALFORMED_RECORD",
      framing: "none",
      bySchema: false,
      readerOf: () => declaredRead(fields, decode),
    }),
    writer: ({ name, fields, encode }) => ({
      name,
      schema: null,
      fields: Object.keys(fields),
      write: (value, into) => {
        if (encode === undefined) throw new Error(`decoder ${name} has no encode`);
        const bytes = encode(value as never);
        into.raw(bytes, 0, bytes.length);
      },
    }),
  },
);
