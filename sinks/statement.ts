import { MillraceError } from "../schemas/errors.ts";
import { shortReason } from "../schemas/plain-text.ts";

/** What a scan of one SQL statement found. */
export interface ScannedStatement {
  /** The statement without comments around it and without its semicolon. */
  readonly sql: string;
  /** First word, in capitals: `SELECT`, `INSERT`, … */
  readonly verb: string;
  /** The output format named at the end of a query, or null. */
  readonly format: string | null;
  /** {@link sql} without that. */
  readonly query: string;
  /** Set for an INSERT whose rows come as the body of the request. */
  readonly body: InsertHead | null;
}

/** An INSERT that takes its rows from elsewhere, in parts. */
export interface InsertHead {
  /** `INSERT INTO table (columns)`. */
  readonly into: string;
  /** Text behind SETTINGS, "" without. */
  readonly settings: string;
  readonly format: string;
}

/** A token as it stands in the text; `word` in capitals. */
export interface Token {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

// The tokens of ClickHouse's lexer, as far as they decide where quotes, comments and statements
// end. chdb.test.ts compares them with the engine's own.
const skipped = /\s+|(?:--|\/\/|#[ !])[^\n]*/y;
const commentBound = /\/\*|\*\//g;
/** Quotes in which backslashes and doubled quotes escape; what is not closed reaches to the end. */
const quoted = ["'", '"', "`"]
  .map((q) => String.raw`${q}[^${q}\\]*(?:(?:\\[\s\S]|${q}${q})[^${q}\\]*)*${q}?`)
  .join("|");
/** A dollar sign belongs to the name before it, but not to a number. */
const word = /\d\w*|[A-Za-z_][\w$]*|\$\w[\w$]*/;
const part = new RegExp(`${quoted}|${word.source}|[\\s\\S]`, "y");
/** Quotes of typography, without escapes, by how they open. */
const typographic: Readonly<Record<string, string>> = { "‘": "’", "“": "”" };
/** `$tag$`, wherever the next dollar sign could close it. */
const dollarTag = /\$\w*(?=\$)/g;

/**
 * The name of an output format, as it may stand behind FORMAT.
 *
 * @throws {MillraceError} OFFLINE_FORMAT for anything else: it would be a part of the statement.
 */
export function formatName(format: string): string {
  if (/^[A-Za-z]\w{0,99}$/.test(format)) return format;
  throw new MillraceError("OFFLINE_FORMAT", { format: shortReason(format) });
}

/**
 * Reads one SQL statement as far as is needed to pass it on safely: chDB runs what follows a
 * semicolon, and what follows a blank line within inline data.
 *
 * @throws {MillraceError} OFFLINE_SEVERAL_STATEMENTS when anything but comments follows a
 * semicolon; OFFLINE_INLINE_DATA when data follows INSERT … FORMAT.
 */
export function scanStatement(text: string): ScannedStatement {
  const tokens = tokensOf(text);
  const verb = tokens[0]?.word ?? "";
  const body = verb === "INSERT" ? insertHead(text, tokens) : null;
  const semicolon = tokens.findIndex((token) => token.word === ";");
  const statement = semicolon < 0 ? tokens : tokens.slice(0, semicolon);
  if (semicolon >= 0 && tokens.slice(semicolon).some((token) => token.word !== ";")) {
    const position = (tokens[semicolon]?.start ?? 0) + 1;
    throw new MillraceError("OFFLINE_SEVERAL_STATEMENTS", { position });
  }
  const last = statement.at(-1);
  const named = last !== undefined && verb !== "INSERT" && statement.at(-2)?.word === "FORMAT";
  return {
    sql: textBetween(text, tokens, 0, statement.length),
    verb,
    format: named ? text.slice(last.start, last.end) : null,
    query: textBetween(text, tokens, 0, statement.length - (named ? 2 : 0)),
    body,
  };
}

/** First words of statements that only read. */
export const readingVerbs: readonly string[] = [
  "SELECT",
  "WITH",
  "SHOW",
  "DESCRIBE",
  "DESC",
  "EXISTS",
  "EXPLAIN",
  "(",
];

/** Words that make a reading statement write: rows somewhere, or a file. */
const writingWords = ["INSERT", "OUTFILE"];

/**
 * The INSERT before the rows of a body. The rows begin behind one line feed or blank, as in
 * ClickHouse: they may be binary, so no more than that is passed over.
 *
 * @param head - text of one character a byte.
 * @returns the length of the INSERT, or null when its rows come from elsewhere, or it is none.
 */
export function insertPrefixLength(head: string): number | null {
  let first = true;
  let isNamed = false;
  for (const { word, end } of scanTokens(head)) {
    if (first && word !== "INSERT") return null;
    first = false;
    if (isNamed) {
      const behind = /(?:\r?\n|[ \t;])?/y;
      behind.lastIndex = end;
      const [passed = ""] = behind.exec(head) ?? [];
      return /^\w/.test(word) && (passed !== "" || end === head.length)
        ? end + passed.length
        : null;
    }
    if (word === "SELECT" || word === "VALUES" || word === "INFILE") return null;
    isNamed = word === "FORMAT";
  }
  return null;
}

/**
 * Refuses statements that write. The engine's own read-only mode guards tables, but lets queries
 * write files and stop other queries.
 *
 * @throws {MillraceError} OFFLINE_READ_ONLY; what `scanStatement` throws.
 */
export function requireReading(text: string): void {
  const { verb } = scanStatement(text);
  if (!readingVerbs.includes(verb)) {
    throw new MillraceError("OFFLINE_READ_ONLY", { word: verb || "no word" });
  }
  const word = tokensOf(text).find((token) => writingWords.includes(token.word))?.word;
  if (word !== undefined) throw new MillraceError("OFFLINE_READ_ONLY", { word });
}

/** Settings under which ClickHouse refuses to change tables; a query may set others. */
export const readOnlySettings = { readonly: 2 } as const;

function insertHead(text: string, tokens: readonly Token[]): InsertHead | null {
  let depth = 0;
  let settingsAt = -1;
  for (const [index, token] of tokens.entries()) {
    if (token.word === "(") depth += 1;
    if (token.word === ")") depth -= 1;
    if (depth > 0) continue;
    if (["SELECT", "WITH", "INFILE", "WATCH"].includes(token.word)) return null;
    if (token.word === "SETTINGS") settingsAt = index;
    if (token.word !== "FORMAT" && token.word !== "VALUES") continue;
    const next = tokens[index + (token.word === "FORMAT" ? 2 : 1)];
    const empty = next === undefined || next.word === ";";
    if (token.word === "VALUES" && !empty) return null;
    if (!empty) throw new MillraceError("OFFLINE_INLINE_DATA");
    const name = tokens[index + 1];
    return {
      into: textBetween(text, tokens, 0, settingsAt < 0 ? index : settingsAt),
      settings: settingsAt < 0 ? "" : textBetween(text, tokens, settingsAt + 1, index),
      format: token.word === "VALUES" || !name ? "Values" : text.slice(name.start, name.end),
    };
  }
  return null;
}

function textBetween(text: string, tokens: readonly Token[], from: number, to: number): string {
  return text.slice(tokens[from]?.start ?? 0, tokens[to - 1]?.end ?? 0);
}

function tokensOf(text: string): Token[] {
  return [...scanTokens(text)];
}

/** The tokens of a text, one after the other, in time that grows with its length alone. */
export function* scanTokens(text: string): Generator<Token> {
  let dollars: DollarQuotes | null = null;
  for (let at = pass(text, 0); at < text.length; at = pass(text, at)) {
    let end = typographicEnd(text, at);
    if (text[at] === "$") {
      dollars ??= new DollarQuotes(text);
      end = dollars.endOf(at);
    }
    if (end < 0) {
      part.lastIndex = at;
      end = at + (part.exec(text)?.[0].length ?? 1);
    }
    yield { word: text.slice(at, end).toUpperCase(), start: at, end };
    at = end;
  }
}

/** Behind the quote of typography that opens here; −1 where none does. */
function typographicEnd(text: string, at: number): number {
  const closing = typographic[text[at] ?? ""];
  if (closing === undefined) return -1;
  const closed = text.indexOf(closing, at);
  return closed < 0 ? text.length : closed + 1;
}

/** `$tag$ … $tag$`: where each tag stands, found once for the whole text. */
class DollarQuotes {
  readonly #tagAt = new Map<number, string>();
  readonly #places = new Map<string, number[]>();

  constructor(text: string) {
    for (const { 0: open, index } of text.matchAll(dollarTag)) {
      const tag = `${open}$`;
      this.#tagAt.set(index, tag);
      const places = this.#places.get(tag);
      if (places === undefined) this.#places.set(tag, [index]);
      else places.push(index);
    }
    for (const places of this.#places.values()) places.reverse();
  }

  /** Behind the text that is quoted from `at` on; −1 where none is. Asked in rising order. */
  endOf(at: number): number {
    const tag = this.#tagAt.get(at);
    const places = tag === undefined ? undefined : this.#places.get(tag);
    if (tag === undefined || places === undefined) return -1;
    const behind = at + tag.length;
    while (places.length > 0 && (places.at(-1) ?? 0) < behind) places.pop();
    const closing = places.at(-1);
    return closing === undefined ? -1 : closing + tag.length;
  }
}

/** Where the next token starts: behind blanks and comments. */
function pass(text: string, start: number): number {
  for (let at = start; ; ) {
    skipped.lastIndex = at;
    if (skipped.test(text)) at = skipped.lastIndex;
    else if (text.startsWith("/*", at)) at = commentEnd(text, at);
    else return at;
  }
}

/** A comment may hold others; one that is not closed reaches to the end. */
function commentEnd(text: string, start: number): number {
  let depth = 0;
  commentBound.lastIndex = start;
  for (let bound = commentBound.exec(text); bound !== null; bound = commentBound.exec(text)) {
    depth += bound[0] === "/*" ? 1 : -1;
    if (depth === 0) return commentBound.lastIndex;
  }
  return text.length;
}
