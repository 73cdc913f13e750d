/**
 * Controls of terminals and of the direction of text, and the separators of lines: what must not
 * reach a terminal or a log from a record.
 */
const controls = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** Longest reason that is kept with a record or a model, in characters. */
export const reasonLimit = 500;

/** What was thrown, as text, whatever it is: not everything that is thrown can be made one. */
export function thrownText(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return `something of type ${typeof thrown} that is no text`;
  }
}

/** A text with its control characters written out (`\u001b`), so that it can be shown. */
export function plainText(text: string): string {
  return text.replace(controls, (each) => {
    return `\\u${(each.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * A text of JSON, the same to a program: controls that JSON lets stand in a text are written out
 * there. What it has between texts, spaces and ends of lines, stays.
 */
export function plainJson(text: string): string {
  return text.replace(controls, (each) => (/[\t\r\n]/.test(each) ? each : plainText(each)));
}

/** A value as JSON that can be shown. */
export function jsonText(value: unknown): string {
  return plainJson(JSON.stringify(value, null, 2));
}

/** {@link plainText} of each line. */
export function plainLines(text: string): string {
  return text.split("\n").map(plainText).join("\n");
}

/** {@link plainText} of at most {@link reasonLimit} characters; what is cut off ends in `…`. */
export function shortReason(text: string): string {
  const plain = plainText(text.slice(0, reasonLimit + 1));
  return plain.length > reasonLimit ? `${plain.slice(0, reasonLimit - 1)}…` : plain;
}
