import { MillraceError } from "../../schemas/errors.ts";
import { scanTokens, type Token } from "../statement.ts";

/** First words of statements that the HTTP front takes. */
const verbs: ReadonlySet<string> = new Set([
  ...["SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "(", "CHECK"],
  ...["INSERT", "CREATE", "DROP", "ALTER", "TRUNCATE", "RENAME", "OPTIMIZE", "DELETE", "UPDATE"],
  ...["EXCHANGE", "UNDROP", "SET", "USE"],
]);

/** What may be made: a dictionary, a user or a named collection reaches outside. */
const made: ReadonlySet<string> = new Set([
  ...["TABLE", "TEMPORARY", "VIEW", "MATERIALIZED", "DATABASE", "FUNCTION", "OR", "REPLACE"],
]);

/** Table functions that read nothing outside of the engine's tables, in capitals. */
const harmlessFunctions: ReadonlySet<string> = new Set([
  ...["NUMBERS", "NUMBERS_MT", "ZEROS", "ZEROS_MT", "PRIMES", "GENERATERANDOM", "GENERATESERIES"],
  ...["GENERATE_SERIES", "VALUES", "NULL", "VIEW", "VIEWIFPERMITTED", "FORMAT", "MERGE", "INPUT"],
  ...["DICTIONARY", "MERGETREEINDEX", "MERGETREEPROJECTION"],
]);

/** Other functions that read or write files, or reach for another server. */
const reachingFunctions = ["FILE", "CATBOOSTEVALUATE", "DISK", "EVAL"];

/** Engines of tables and databases that keep their data in the engine's own directory. */
const engines: ReadonlySet<string> = new Set([
  ...["", "REPLACING", "SUMMING", "AGGREGATING", "COLLAPSING", "VERSIONEDCOLLAPSING"].map(
    (kind) => `${kind}MERGETREE`,
  ),
  ...["COALESCINGMERGETREE", "GRAPHITEMERGETREE", "MEMORY", "NULL", "LOG", "TINYLOG", "STRIPELOG"],
  ...["VIEW", "MATERIALIZEDVIEW", "SET", "JOIN", "BUFFER", "MERGE", "ATOMIC"],
]);

/** Words that make a query read or write a file. */
const fileWords: ReadonlySet<string> = new Set(["INFILE", "OUTFILE"]);

/**
 * Refuses what reaches beyond the tables of the engine: files, addresses, programs and the state of
 * the server. The engine has no users that could be kept from it, so the statement is looked at.
 */
export class FrontGuard {
  readonly #refused: ReadonlySet<string>;

  /** @param tableFunctions - names of all table functions of the engine. */
  constructor(tableFunctions: readonly string[]) {
    const names = tableFunctions.map((name) => name.toUpperCase());
    const outside = names.filter((name) => !harmlessFunctions.has(name));
    this.#refused = new Set([...outside, ...reachingFunctions]);
  }

  /**
   * @param parameters - values of the query's parameters, which may stand for names.
   * @throws {MillraceError} OFFLINE_CLOSED.
   */
  check(text: string, parameters: readonly string[] = []): void {
    const tokens = [...scanTokens(text)];
    const [verb = "", next = ""] = tokens.map(({ word }) => word);
    if (tokens.length > 0 && !verbs.has(verb)) refuse(verb);
    if (verb === "CREATE" && !made.has(next)) refuse(`CREATE ${next}`);
    const makes = verb === "CREATE" || verb === "ALTER";
    for (const [index, token] of tokens.entries()) {
      const { word } = token;
      const after = tokens[index + 1]?.word ?? "";
      if (fileWords.has(word)) refuse(word);
      if (after === "(" && this.#refused.has(nameOf(token, "("))) refuse(nameOf(token, "("));
      // The database of this name reads any file that stands behind the dot.
      if (after === "." && nameOf(token, ".") === "DEFAULT") refuse("the database default");
      if (word === "DICTIONARY" && makes) refuse(word);
      if (makes && word === "ENGINE") checkEngine(tokens, index);
    }
    if (verb === "USE" && nameOf(tokens[1], "") === "DEFAULT") refuse("the database default");
    const names = tokens.some(({ word }) => word === "IDENTIFIER");
    if (names && parameters.some((value) => value.trim().toUpperCase() === "DEFAULT")) {
      refuse("the database default");
    }
  }
}

function checkEngine(tokens: readonly Token[], index: number): void {
  const at = tokens[index + 1]?.word === "=" ? index + 2 : index + 1;
  const name = nameOf(tokens[at], "");
  if (/^\w/.test(name) && !engines.has(name)) refuse(`the engine ${name}`);
}

/** A name without its quotes; one that hides characters behind backslashes is none of ours. */
function nameOf(token: Token | undefined, before: string): string {
  const { word = "" } = token ?? {};
  if (!/^[`"“]/.test(word)) return word;
  if (word.includes("\\")) refuse(`a name with backslashes before ${before || "the end"}`);
  return word.slice(1, -1);
}

function refuse(what: string): never {
  throw new MillraceError("OFFLINE_CLOSED", { what });
}
