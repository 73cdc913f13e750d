import { isDeepStrictEqual } from "node:util";
import type { ByteWriter } from "../../schemas/bytes.ts";
import { wholeAvro } from "../../schemas/formats/avro/avro-format.ts";
import { AvroInput } from "../../schemas/formats/avro/avro-input.ts";
import type { AvroType } from "../../schemas/formats/avro/avro-types.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import { Resolution } from "../../schemas/formats/avro/resolve.ts";
import { branchOf, Skips } from "../../schemas/formats/avro/skip.ts";
import type { FormatReader } from "../../schemas/formats/format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { nullableFloat64, stringSlice } from "../../sinks/row-binary.ts";
import type { OfflineColumn } from "../../sinks/store.ts";
import { type WriteColumn, writerOf } from "./column-writers.ts";

/** A column, filled from what stands under a path of a record. */
export interface FilledColumn {
  readonly path: readonly string[];
  readonly type: OfflineColumn["type"];
}

/** Appends what one value makes of the columns. */
type Pass = (input: AvroInput, into: ByteWriter) => void;

/** What a reader of rows gives for a record whose columns are written already. */
export const passed: Readonly<Record<string, unknown>> = Object.freeze({});

/**
 * Reads records of one schema. Those that were written by the very same one, fields in the order of
 * the columns, go into the columns at once, without a record in between: bytes as if there were
 * one. Others are read as records.
 *
 * @param into - where columns go when a record is read; what fails leaves it as it was.
 * @returns a reader that gives {@link passed} for a record whose columns are written.
 */
export function avroRows(
  schema: AvroSchema,
  columns: readonly FilledColumn[],
  into: () => ByteWriter,
): FormatReader {
  const type = parseAvro(schema);
  const whole = wholeAvro(schema);
  const pass = new Passes(columns).of(type);
  if (pass === null) return whole;
  const input = new AvroInput();
  return {
    ...whole,
    readerOf: (written) => {
      const isSame =
        written?.type === "AVRO" &&
        isDeepStrictEqual(parseAvro(written.schema, written.references), type);
      if (!isSame) return whole.readerOf(written);
      return (buffer, start, end) => {
        const writer = into();
        const { position } = writer;
        try {
          input.open(buffer, start, end);
          pass(input, writer);
          if (!input.atEnd) throw new Error("it does not end where its schema ends");
        } catch (error) {
          writer.position = position;
          throw error;
        }
        return passed;
      };
    },
  };
}

/** How the fields of a record become columns, one after the other. */
class Passes {
  readonly #columns: readonly FilledColumn[];
  readonly #resolution = new Resolution();
  readonly #skips = new Skips();
  /** Columns that fields read so far have filled. */
  #filled = 0;

  constructor(columns: readonly FilledColumn[]) {
    this.#columns = columns;
  }

  /** Null: a column comes before one that stands before it in the record, or twice, or never. */
  of(type: AvroType): Pass | null {
    const pass = type.kind === "record" ? this.#fields(type, []) : null;
    return this.#filled === this.#columns.length ? pass : null;
  }

  #fields(type: AvroType & { readonly kind: "record" }, path: readonly string[]): Pass {
    const passes = type.fields.map((field) => this.#field(field.type, [...path, field.name]));
    return (input, into) => {
      input.descend(passes.length);
      for (let i = 0; i < passes.length; i++) (passes[i] as Pass)(input, into);
      input.ascend();
    };
  }

  #field(type: AvroType, path: readonly string[]): Pass {
    const column = this.#columns[this.#filled];
    const depth = path.length;
    const isWithin = column !== undefined && path.every((name, at) => column.path[at] === name);
    if (isWithin && column.path.length === depth) {
      this.#filled++;
      return this.#column(type, column.type);
    }
    if (isWithin && type.kind === "record") return this.#fields(type, path);
    return this.#skips.of(type);
  }

  #column(type: AvroType, columnType: OfflineColumn["type"]): Pass {
    const write = writerOf(columnType);
    if (columnType === "Nullable(Float64)" && type.kind === "double") {
      return (input, into) => nullableFloat64(into, input.double());
    }
    if (columnType.startsWith("Nullable(") && type.kind === "union") {
      const branches = type.branches.map((branch) => this.#column(branch, columnType));
      return (input, into) => branchOf(branches, input)(input, into);
    }
    if (type.kind === "string" && textColumns.has(columnType)) return passText(write);
    const read = this.#resolution.read(type, type);
    return (input, into) => write(into, read(input));
  }
}

const textColumns: ReadonlySet<string> = new Set(["String", "LowCardinality(String)"]);

/** Texts of ASCII go as they are; others as they are read, which mends what is no UTF-8. */
function passText(write: WriteColumn): Pass {
  return (input, into) => {
    const { position } = input;
    const start = input.skipSized();
    const { buffer, position: end } = input;
    let at = start;
    while (at < end && (buffer[at] as number) < 0x80) at++;
    if (at === end) {
      stringSlice(into, buffer, start, end);
      return;
    }
    input.position = position;
    write(into, input.text());
  };
}
