import { z } from "zod";
import { parseTime } from "../../runtime/config/setting-types.ts";

/** Rows that a request may ask for: entities times views. */
export const rowsMost = 1_000;

/** An instant: UTC ms, or a text like 2026-01-05T18:00Z; always UTC. */
export const instant = z
  .union([z.number().int(), z.string()], { error: "write UTC ms or a time like 2026-01-05T18:00Z" })
  .transform((value, context) => {
    const ms =
      typeof value === "number" ? value : /^\d+$/.test(value) ? Number(value) : parseTime(value);
    if (ms !== null && Number.isSafeInteger(ms) && Math.abs(ms) <= 8.64e15) return ms;
    context.addIssue("write UTC ms or a time like 2026-01-05T18:00Z");
    return z.NEVER;
  });

/** Longest part of an entity's key, in characters: no longer one is ever stored. */
const keyPartMost = 1_024;

/** A value of a key field as its text. */
export const keyPart = z
  .union([z.string().max(keyPartMost), z.number(), z.boolean()], {
    error: "write a text, a number or true or false",
  })
  .transform((value, context) => {
    if (typeof value === "string" && /\p{Surrogate}/u.test(value)) {
      // It has no UTF-8: it would be asked for as another key.
      context.addIssue("it has half of a surrogate pair in it");
      return z.NEVER;
    }
    if (typeof value !== "number" || Number.isSafeInteger(value)) return String(value);
    if (!Number.isInteger(value) && Number.isFinite(value)) return String(value);
    context.addIssue("a whole number beyond ±(2^53 − 1) is not exact in JSON: write it as text");
    return z.NEVER;
  });

/** How far a view may lie behind with its rows still FRESH, ms. */
export const lag = z.coerce
  .number("write ms from 0 to 86400000")
  .int("write ms from 0 to 86400000")
  .min(0, "write ms from 0 to 86400000")
  .max(86_400_000, "write ms from 0 to 86400000");

/** A feature's value: see the page on serving for how each type stands in JSON. */
export const value = z.union([z.number(), z.string(), z.boolean(), z.null()], {
  error: "write a number, a text, true, false or null",
});

export const status = z.enum(["FRESH", "STALE", "MISSING", "DEFAULT"]);

/** What is said of a row. */
export const rowFacts = {
  status: status.describe(
    "FRESH: the row in force; STALE: another may be, or the view lies behind; MISSING: there is none, or it is older than the view's ttl; DEFAULT: MISSING, and defaults stand in.",
  ),
  at: z.number().nullable().describe("Event time of the look-up, UTC ms."),
  asOf: z.number().nullable().describe("When the row came into force, UTC ms; null: MISSING."),
  validUntil: z
    .number()
    .nullable()
    .describe("Until when it holds at most, UTC ms; null: nothing is left to expire."),
  ageMs: z.number().nullable().describe("From asOf to at."),
  lagMs: z.number().nullable().describe("How far the view lies behind at; 0: it does not."),
  source: z.enum(["online", "offline"]).describe("The store that answered."),
};
