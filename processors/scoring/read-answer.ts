import { encoderOf } from "../../schemas/encodings/encodings.ts";
import { isValueOutput } from "../../schemas/feature-view.ts";
import { answerLayout } from "../../schemas/input-payloads.ts";
import { PayloadView } from "../../schemas/payload-view.ts";
import type { AnswerSpec } from "../../schemas/steps/scoring.ts";

/** Answers of one view, as features. */
export interface ReadAnswer {
  /** Open an answer with it, then copy its features. */
  readonly payload: PayloadView;
  /**
   * Copies the features into `vector`, from `at` on: the columns in their order, but for texts,
   * then what is made of these.
   */
  copy(vector: Float64Array, at: number): void;
}

/** Of a view of numbers alone. */
export function readNumbers(count: number): ReadAnswer {
  const payload = new PayloadView(answerLayout(count, { fields: [] }));
  if (count === 0) return { payload, copy: () => {} };
  const columns = payload.place("columns");
  return { payload, copy: (vector, at) => payload.numbers(columns, count, vector, at) };
}

/** The doubles come first, then the others; booleans are 1 or 0, instants UTC ms. */
export function readTyped({ columns, encoded }: AnswerSpec): ReadAnswer {
  const fields = columns.flatMap(({ name, output }) =>
    isValueOutput(output) ? [{ name, type: output, nullable: true }] : [],
  );
  const count = columns.length - fields.length;
  const numbers = new Float64Array(count);
  const payload = new PayloadView(answerLayout(count, { fields }));
  const first = count === 0 ? null : payload.place("columns");
  /** By column its index among the doubles, or the name of its value; texts are left out. */
  let next = 0;
  const sources = columns.flatMap(({ name, output }): (number | string)[] => {
    if (!isValueOutput(output)) return [next++];
    return output === "text" ? [] : [name];
  });
  const made = encoded.map(({ column, encoding }) => ({ column, encode: encoderOf(encoding) }));
  const copy = (vector: Float64Array, at: number) => {
    if (first !== null) payload.numbers(first, count, numbers, 0);
    const values = payload.row();
    let to = at;
    for (const source of sources) {
      vector[to++] =
        typeof source === "number" ? (numbers[source] as number) : numberOf(values[source]);
    }
    for (const { column, encode } of made) vector[to++] = encode(values[column]);
  };
  return { payload, copy };
}

/** The nearest double; NaN for null. */
function numberOf(value: unknown): number {
  return value === null ? Number.NaN : Number(value);
}
