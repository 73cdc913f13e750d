import { MillraceError } from "../../schemas/errors.ts";

/** What a condition is about: a field of the thing, or one of its metrics, params or tags. */
export type Entity = "attribute" | "metric" | "param" | "tag" | "dataset";

export type Comparator =
  | "="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "LIKE"
  | "ILIKE"
  | "IN"
  | "NOT IN"
  | "IS NULL"
  | "IS NOT NULL";

export interface Condition {
  readonly entity: Entity;
  readonly key: string;
  readonly comparator: Comparator;
  /** A list of `IN` and `NOT IN`; null of `IS NULL` and `IS NOT NULL`. */
  readonly value: string | number | readonly string[] | null;
}

/** What may be asked for of one kind of thing. */
export interface Searchable {
  /** E.g. `runs`, for messages. */
  readonly what: string;
  /** Its fields by the names that clients know, and the name that is meant. */
  readonly fields: Readonly<Record<string, { readonly name: string; readonly type: FieldType }>>;
  readonly entities: readonly Entity[];
}

export type FieldType = "text" | "number";

/** The value of what a condition is about; null: there is none. */
export type ReadValue<Thing> = (thing: Thing, entity: Entity, key: string) => Found;
export type Found = string | number | null;

const entityNames: Readonly<Record<string, Entity>> = {
  ...{ attribute: "attribute", attributes: "attribute", attr: "attribute", run: "attribute" },
  ...{ metric: "metric", metrics: "metric", tag: "tag", tags: "tag" },
  ...{ param: "param", params: "param", parameter: "param", parameters: "param" },
  ...{ dataset: "dataset", datasets: "dataset" },
};

/**
 * The conditions of a filter as MLflow's clients write them, all of which have to hold:
 * `metrics.auc > 0.8 AND tags.\`my tag\` LIKE 'x%' AND status IN ('FINISHED', 'FAILED')`.
 *
 * @throws {MillraceError} REQUEST_INVALID saying at which character, and what was expected.
 */
export function parseFilter(text: string, searchable: Searchable): Condition[] {
  const reader = new FilterReader(text, searchable);
  return reader.conditions();
}

/** Whether a thing meets all conditions. What it has not is met by `IS NULL` alone. */
export function meets<Thing>(
  thing: Thing,
  conditions: readonly Condition[],
  read: ReadValue<Thing>,
): boolean {
  return conditions.every((condition) =>
    holds(read(thing, condition.entity, condition.key), condition),
  );
}

function holds(found: Found, { comparator, value }: Condition): boolean {
  if (comparator === "IS NULL") return found === null;
  if (comparator === "IS NOT NULL") return found !== null;
  if (found === null) return false;
  if (Array.isArray(value)) return value.includes(String(found)) === (comparator === "IN");
  switch (comparator) {
    case "=":
      return found === value;
    case "!=":
      return found !== value;
    case "LIKE":
      return isLike(String(found), String(value));
    case "ILIKE":
      return isLike(String(found).toLowerCase(), String(value).toLowerCase());
    default:
      return isOrdered(Number(found), comparator, Number(value));
  }
}

function isOrdered(a: number, comparator: Comparator, b: number): boolean {
  if (comparator === "<") return a < b;
  if (comparator === "<=") return a <= b;
  return comparator === ">" ? a > b : a >= b;
}

/**
 * Whether a text is as a pattern says, in which `%` stands for any text and `_` for any character.
 * Takes no longer than their lengths multiplied: of several `%` only the last is tried again.
 */
function isLike(text: string, pattern: string): boolean {
  const [letters, wanted] = [Array.from(text), Array.from(pattern)];
  let [at, of] = [0, 0];
  let [star, resume] = [-1, 0];
  while (at < letters.length) {
    if (wanted[of] === "%") {
      star = of++;
      resume = at;
    } else if (wanted[of] === "_" || wanted[of] === letters[at]) {
      of++;
      at++;
    } else if (star >= 0) {
      of = star + 1;
      at = ++resume;
    } else return false;
  }
  while (wanted[of] === "%") of++;
  return of === wanted.length;
}

/** Longest filter, in characters; most conditions. */
const textMost = 20_000;
const conditionsMost = 100;

class FilterReader {
  readonly #text: string;
  readonly #searchable: Searchable;
  #at = 0;

  constructor(text: string, searchable: Searchable) {
    this.#text = text;
    this.#searchable = searchable;
    if (text.length > textMost) this.#refuse(`it has more than ${textMost} characters`);
  }

  conditions(): Condition[] {
    const found: Condition[] = [];
    this.#skip();
    while (this.#at < this.#text.length) {
      if (found.length > 0 && !this.#word("AND")) {
        if (/^OR\b/i.test(this.#rest())) this.#refuse("conditions are joined by AND alone");
        this.#refuse("AND is expected here");
      }
      if (found.length === conditionsMost) this.#refuse(`more than ${conditionsMost} conditions`);
      found.push(this.#condition());
    }
    return found;
  }

  #condition(): Condition {
    const { entity, key, type } = this.#identifier();
    const comparator = this.#comparator();
    if (comparator === "IS NULL" || comparator === "IS NOT NULL") {
      return { entity, key, comparator, value: null };
    }
    if (type === "number") {
      if (["LIKE", "ILIKE", "IN", "NOT IN"].includes(comparator)) {
        this.#refuse(`${key} is a number: compare it with =, !=, <, <=, > or >=`);
      }
      return { entity, key, comparator, value: this.#number(key) };
    }
    if (["<", "<=", ">", ">="].includes(comparator)) {
      this.#refuse(`${key} is a text: compare it with =, !=, LIKE, ILIKE, IN or NOT IN`);
    }
    if (comparator === "IN" || comparator === "NOT IN") {
      return { entity, key, comparator, value: this.#list(key) };
    }
    return { entity, key, comparator, value: this.#quotedValue(key) };
  }

  #identifier(): { entity: Entity; key: string; type: FieldType } {
    const { fields, entities, what } = this.#searchable;
    const start = this.#at;
    const first = this.#name();
    if (this.#text[this.#at] !== "." || !Object.hasOwn(entityNames, first.toLowerCase())) {
      return this.#field(first, start);
    }
    this.#at++;
    const entity = entityNames[first.toLowerCase()] as Entity;
    const key = this.#name(true);
    this.#skip();
    if (entity === "attribute") return this.#field(key, start);
    if (!entities.includes(entity)) {
      this.#at = start;
      const known = [...Object.keys(fields), ...entities.map((each) => `${each}s.…`)].join(", ");
      this.#refuse(`${what} have no ${entity}s; there are ${known}`);
    }
    return { entity, key, type: entity === "metric" ? "number" : "text" };
  }

  #field(name: string, start: number) {
    const { fields, entities, what } = this.#searchable;
    this.#skip();
    const found = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (found !== undefined) {
      return { entity: "attribute" as const, key: found.name, type: found.type };
    }
    this.#at = start;
    const others = entities.map((each) => `${each}s.…`);
    const known = [...Object.keys(fields), ...others].join(", ");
    return this.#refuse(`${what} have no ${JSON.stringify(name)}; there are ${known}`);
  }

  /** @param dots - whether dots are part of it, as in keys. */
  #name(dots = false): string {
    const quoted = /^(?:`([^`]*)`|"([^"]*)")/.exec(this.#rest());
    if (quoted !== null) {
      this.#at += quoted[0].length;
      return quoted[1] ?? quoted[2] ?? "";
    }
    const [plain = ""] = (dots ? /^[\w./-]+/ : /^[\w-]+/).exec(this.#rest()) ?? [];
    if (plain === "") this.#refuse("the name of a field is expected here");
    this.#at += plain.length;
    return plain;
  }

  #comparator(): Comparator {
    const [symbol = ""] = /^(?:!=|<=|>=|<>|=|<|>)/.exec(this.#rest()) ?? [];
    if (symbol !== "") {
      this.#at += symbol.length;
      this.#skip();
      return symbol === "<>" ? "!=" : (symbol as Comparator);
    }
    for (const word of ["LIKE", "ILIKE", "NOT IN", "IN", "IS NOT NULL", "IS NULL"] as const) {
      if (this.#word(word)) return word;
    }
    return this.#refuse(
      "a comparison is expected here: =, !=, <, <=, >, >=, LIKE, ILIKE, IN, NOT IN",
    );
  }

  #number(key: string): number {
    const [text = ""] = /^'?[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?'?/i.exec(this.#rest()) ?? [];
    if (text === "") this.#refuse(`${key} is a number, and one is expected here`);
    this.#at += text.length;
    this.#skip();
    return Number(text.replaceAll("'", ""));
  }

  #quotedValue(key: string): string {
    const [whole = ""] = /^(?:'(?:[^']|'')*'|"(?:[^"]|"")*")/.exec(this.#rest()) ?? [];
    if (whole === "") this.#refuse(`${key} is a text: write it in quotes`);
    this.#at += whole.length;
    this.#skip();
    const quote = whole[0] as string;
    return whole.slice(1, -1).replaceAll(quote + quote, quote);
  }

  #list(key: string): string[] {
    if (!this.#symbol("(")) this.#refuse("a list in parentheses is expected here");
    const values = [this.#quotedValue(key)];
    while (this.#symbol(",")) values.push(this.#quotedValue(key));
    if (!this.#symbol(")")) this.#refuse("a comma or the end of the list is expected here");
    return values;
  }

  #symbol(symbol: string): boolean {
    if (this.#text[this.#at] !== symbol) return false;
    this.#at++;
    this.#skip();
    return true;
  }

  #word(words: string): boolean {
    const pattern = new RegExp(`^${words.replaceAll(" ", "\\s+")}(?![\\w.])`, "i");
    const [whole] = pattern.exec(this.#rest()) ?? [];
    if (whole === undefined) return false;
    this.#at += whole.length;
    this.#skip();
    return true;
  }

  #skip(): void {
    const [space = ""] = /^\s+/.exec(this.#rest()) ?? [];
    this.#at += space.length;
  }

  #rest(): string {
    return this.#text.slice(this.#at);
  }

  #refuse(reason: string): never {
    const where = `filter, character ${this.#at + 1}`;
    throw new MillraceError("REQUEST_INVALID", { where, reason });
  }
}
