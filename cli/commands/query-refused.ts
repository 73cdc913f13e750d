import { MillraceError } from "../../schemas/errors.ts";

/** Letters of what the server says that are told: it repeats whole queries. */
const reasonMost = 600;

/**
 * Tells what the offline store has against a query in words for whoever wrote it; what is no
 * refusal of a query is thrown on.
 *
 * @param where - the argument that holds the query, e.g. `--query`.
 */
export async function refusingQuery<T>(where: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "OFFLINE_QUERY_FAILED") throw error;
    // Of an error of the run there is the message alone.
    const [, code = "", reason = error.message] =
      /^The offline store refused a statement \((\d*)\): (.*)$/s.exec(error.message) ?? [];
    throw new MillraceError("QUERY_REFUSED", { where, code, reason: reasonOf(reason) });
  }
}

/** Without what stands around it: number, class and name of the exception. */
export function reasonOf(text: string): string {
  const begun = text
    .replace(/^Code: \d+\. /, "")
    .replace(/^DB::Exception: /, "")
    .trimEnd();
  const name = begun.lastIndexOf("(");
  const isNamed = name > 0 && /^\([A-Z][A-Z0-9_]*\)\.?$/.test(begun.slice(name));
  const whole = (isNamed ? begun.slice(0, name) : begun).trimEnd();
  const told = whole.endsWith(".") ? whole.slice(0, -1) : whole;
  const letters = [...told];
  return letters.length > reasonMost ? `${letters.slice(0, reasonMost).join("")}…` : told;
}
