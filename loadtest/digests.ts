import type { Plan } from "../schemas/plan.ts";
import { predictionsOf } from "../schemas/plan-facts.ts";
import { quoteName, quoteText } from "../schemas/sql-text.ts";

/**
 * Queries whose answers must be equal over two runs of the same events: the tables of a topology
 * but for records that were refused, and of these all columns but measured time and where a row, or
 * the record behind it, stood in its topic: what a killed replay left in a transaction that was
 * aborted takes offsets on Kafka.
 */
function digestsOf(plan: Plan): Readonly<Record<string, string>> {
  const refused = plan.topics.filter(({ role }) => role === "late" || role === "dead-letters");
  const names = new Set(refused.map(({ name }) => name));
  return Object.fromEntries(
    plan.stored.flatMap(({ topic, table }) => {
      if (table === null || names.has(topic)) return [];
      const measured = table.columns.map(({ name }) => name).filter((name) => leftOut.has(name));
      return [[table.name, rowsDigest(`raw_${table.name}`, measured)]];
    }),
  );
}

const leftOut = new Set(["latency_ms", "source_offset"]);

/** All of them in one statement, a row each, by name. */
export function allDigests(plan: Plan): string {
  const all = Object.entries(digestsOf(plan)).map(
    ([name, sql]) => `SELECT ${quoteText(name)} AS what, * FROM (${sql}) AS digest`,
  );
  return `SELECT * FROM (${all.join(" UNION ALL ")}) ORDER BY what`;
}

/** Predictions made with something known at or after their own time: there must be none. */
export function leaksOf(plan: Plan): Readonly<Record<string, string>> {
  return Object.fromEntries(
    predictionsOf(plan).map(({ name }) => [
      `leaks into ${name}`,
      `SELECT count() FROM ${quoteName(`raw_${name}`)} WHERE features_as_of >= known_at`,
    ]),
  );
}

/** Rows and the sum of their hashes: blind to order, not to doubles. */
function rowsDigest(table: string, measured: readonly string[]): string {
  const except = ["topic", "partition", "offset", "topic_id", ...measured].join(", ");
  return `SELECT count(), sum(cityHash64(tuple(* EXCEPT (${except})))) FROM ${quoteName(table)}`;
}
