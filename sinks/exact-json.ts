import { randomBytes } from "node:crypto";

/** Texts and numbers of JSON, each as a whole. A text without an end goes to that of all. */
const tokens = /"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d[\d.eE+-]*/gs;

/**
 * JSON whose whole numbers are exact: beyond ±(2^53 − 1) each is a bigint. Doubles are doubles:
 * `9007199254740993.0` and `1e300` are no whole numbers.
 *
 * @throws {SyntaxError} for what is no JSON.
 */
export function exactJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  // Nobody can write a text that begins with what is drawn here.
  const mark = randomBytes(12).toString("hex");
  const marked = text.replace(tokens, (token) => {
    const isWhole = token.length > 15 && /^-?\d+$/.test(token);
    return isWhole && !Number.isSafeInteger(Number(token)) ? `"${mark}${token}"` : token;
  });
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** What is written with a decimal point or without, and holds no whole numbers of 64 bits. */
const doubles = /\bB?Float\d/;
const wholes = /\bU?Int(?:64|128|256)\b/;

/**
 * Rows of ClickHouse's JSONCompactEachRowWithNamesAndTypes as objects, their whole numbers exact as
 * {@link exactJson} has them. A column of doubles has numbers alone, of whatever size.
 *
 * @param lines - names, types, then the rows; empty where a statement gives nothing.
 * @throws {SyntaxError} for what is no JSON.
 */
export class ExactRows {
  readonly rows: Record<string, unknown>[] = [];
  #names: readonly string[] | null = null;
  #areDoubles: readonly boolean[] | null = null;

  /** Takes the next line. */
  take(line: string): void {
    const values = exactJson(line) as unknown[];
    if (this.#names === null) {
      this.#names = values as string[];
    } else if (this.#areDoubles === null) {
      this.#areDoubles = (values as string[]).map(
        (type) => doubles.test(type) && !wholes.test(type),
      );
    } else {
      const row: Record<string, unknown> = {};
      for (const [column, name] of this.#names.entries()) {
        const value = values[column];
        row[name] = this.#areDoubles[column] === true ? asDoubles(value) : value;
      }
      this.rows.push(row);
    }
  }
}

/** A double that is whole may be written without a decimal point. */
function asDoubles(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return Array.isArray(value) ? value.map(asDoubles) : value;
}
