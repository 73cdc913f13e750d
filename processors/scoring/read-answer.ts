import type { ByteReader } from "../../schemas/bytes.ts";
import { encode } from "../../schemas/encoding.ts";
import { isValueOutput } from "../../schemas/feature-view.ts";
import type { AnswerSpec } from "../../schemas/plan.ts";
import { RowCodec } from "../../schemas/row-codec.ts";

/**
 * Reads the features of one answer into `vector`, from `at` on: its columns in their order, but for
 * texts, then what is made of these.
 */
export type ReadAnswer = (payload: ByteReader, vector: Float64Array, at: number) => void;

/** Of a view of numbers alone. */
export function readNumbers(count: number): ReadAnswer {
  return (payload, vector, at) => {
    for (let i = at; i < at + count; i++) vector[i] = payload.f64();
  };
}

/** The doubles come first, then the others; booleans are 1 or 0, instants UTC ms. */
export function readTyped({ columns, encoded }: AnswerSpec): ReadAnswer {
  const fields = columns.flatMap(({ name, output }) =>
    isValueOutput(output) ? [{ name, type: output, nullable: true }] : [],
  );
  const codec = new RowCodec({ fields });
  const numbers = new Float64Array(columns.length - fields.length);
  /** By column its index among the doubles, or the name of its value; texts are left out. */
  let next = 0;
  const sources = columns.flatMap(({ name, output }): (number | string)[] => {
    if (!isValueOutput(output)) return [next++];
    return output === "text" ? [] : [name];
  });
  return (payload, vector, at) => {
    for (let i = 0; i < numbers.length; i++) numbers[i] = payload.f64();
    const values = codec.read(payload);
    let to = at;
    for (const source of sources) {
      vector[to++] =
        typeof source === "number" ? (numbers[source] as number) : numberOf(values[source]);
    }
    for (const { column, encoding } of encoded) vector[to++] = encode(encoding, values[column]);
  };
}

/** The nearest double; NaN for null. */
function numberOf(value: unknown): number {
  return value === null ? Number.NaN : Number(value);
}
