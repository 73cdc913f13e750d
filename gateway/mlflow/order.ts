import { MillraceError } from "../../schemas/errors.ts";
import { invalid } from "../read-request.ts";
import { type Entity, type Found, parseFilter, type ReadValue, type Searchable } from "./filter.ts";

export interface Order {
  readonly entity: Entity;
  readonly key: string;
  readonly descending: boolean;
}

/**
 * What to order by, as clients write it: `metrics.auc DESC`, `attributes.start_time`, `name ASC`.
 *
 * @throws {MillraceError} REQUEST_INVALID.
 */
export function parseOrder(texts: readonly string[], searchable: Searchable): Order[] {
  return texts.map((text, index) => {
    const [, field = "", direction = "ASC"] = /^\s*(.*?)(?:\s+(ASC|DESC))?\s*$/is.exec(text) ?? [];
    try {
      // A field stands where one of a filter does.
      const [condition] = parseFilter(`${field} IS NULL`, searchable);
      if (condition === undefined) return invalid("", "it names no field");
      const { entity, key } = condition;
      return { entity, key, descending: direction.toUpperCase() === "DESC" };
    } catch (error) {
      const reason = error instanceof MillraceError ? String(error.context["reason"]) : "";
      return invalid(`order_by[${index}]`, reason);
    }
  });
}

/** Things in an order; what has no value comes last, and what is equal stays as it was. */
export function ordered<Thing>(
  things: readonly Thing[],
  order: readonly Order[],
  read: ReadValue<Thing>,
): Thing[] {
  return [...things].sort((a, b) => {
    for (const { entity, key, descending } of order) {
      const compared = compare(read(a, entity, key), read(b, entity, key), descending);
      if (compared !== 0) return compared;
    }
    return 0;
  });
}

function compare(a: Found, b: Found, descending: boolean): number {
  const aIsNone = a === null || Number.isNaN(a);
  const bIsNone = b === null || Number.isNaN(b);
  if (aIsNone || bIsNone) return Number(aIsNone) - Number(bIsNone);
  if (a === b) return 0;
  return (a < b ? -1 : 1) * (descending ? -1 : 1);
}

export interface Page<Thing> {
  readonly things: readonly Thing[];
  /** Absent: it was the last one. */
  readonly next_page_token?: string;
}

/**
 * A page of what was found.
 *
 * @param most - that may be asked for at a time.
 * @throws {MillraceError} REQUEST_INVALID.
 */
export function pageOf<Thing>(
  all: readonly Thing[],
  asked: { readonly max_results: number; readonly page_token: string },
  most: number,
): Page<Thing> {
  const { max_results: count } = asked;
  if (!(count >= 1 && count <= most)) invalid("max_results", `it has to be from 1 to ${most}`);
  const from = asked.page_token === "" ? 0 : offsetOf(asked.page_token);
  const things = all.slice(from, from + count);
  const next = from + things.length;
  if (next >= all.length) return { things };
  return { things, next_page_token: Buffer.from(`from:${next}`).toString("base64url") };
}

function offsetOf(token: string): number {
  const [, digits] = /^from:(\d{1,9})$/.exec(Buffer.from(token, "base64url").toString()) ?? [];
  if (digits === undefined) invalid("page_token", "it is none of this server");
  return Number(digits);
}
