import { randomBytes } from "node:crypto";

/** Texts and numbers of JSON, each as a whole. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

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
