import type { Freshness, OnlineEntry } from "./store.ts";

export interface FreshnessLimits {
  /** Event time after which a row is no longer served, ms. */
  readonly ttlMs: number;
  /** How far progress may lie behind before a row counts as missing, ms. */
  readonly maxLagMs: number;
  /** How far progress may lie behind with the row still fresh, ms. @default 0 */
  readonly freshLagMs?: number;
}

/** What an entry of the online store is worth at one instant. */
export interface JudgedEntry {
  /** DEFAULT is the caller's to say: it knows the declared value. */
  readonly freshness: Exclude<Freshness, "DEFAULT">;
  /** How old the row is at the instant, ms; null without a row. */
  readonly ageMs: number | null;
  /** How far the view's progress lies behind the instant, ms; 0 when it does not. */
  readonly lagMs: number;
}

/**
 * Judges a row at an instant, UTC ms of event time.
 *
 * FRESH: the row in force, as far as is known: `at` in (asOf, validUntil] and progress ≥ `at`, or
 * behind it by at most `freshLagMs`.
 * STALE: another row may be in force: progress lies behind by at most `maxLagMs`; or the row does
 * not cover `at` although progress does (it is newer than `at`, or its expiry has not arrived).
 * MISSING: no row, or one older than the ttl at `at`, or progress further behind than `maxLagMs`.
 */
export function judgeFreshness(
  { row, progress }: OnlineEntry,
  at: number,
  { ttlMs, maxLagMs, freshLagMs = 0 }: FreshnessLimits,
): JudgedEntry {
  const lagMs = progress >= at ? 0 : at - progress;
  if (row === null) return { freshness: "MISSING", ageMs: null, lagMs };
  const ageMs = at - row.asOf;
  if (ageMs > ttlMs || lagMs > maxLagMs) return { freshness: "MISSING", ageMs, lagMs };
  const expired = at > row.validUntil; // False for NaN: nothing is left to expire.
  const fresh = lagMs <= freshLagMs && ageMs > 0 && !expired;
  return { freshness: fresh ? "FRESH" : "STALE", ageMs, lagMs };
}
