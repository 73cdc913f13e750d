import { quoteName, quoteText } from "../schemas/sql-text.ts";
import type { OfflineTable, StoredRows } from "./store.ts";

interface Found {
  readonly partition: number;
  readonly own: number;
  readonly next: number;
  readonly rows: number;
}

/** SQL that picks the rows of a topic: those of its id, and those written before ids were. */
export function isOfTopic(topicId: string): string {
  return `topic_id IN (${quoteText(topicId)}, '')`;
}

/** What a table holds of a topic, by its rows. */
export async function storedRows(
  query: (sql: string) => Promise<Found[]>,
  database: string,
  table: OfflineTable,
  topicId: string,
): Promise<StoredRows> {
  const found = await query(
    `SELECT partition, ${isOfTopic(topicId)} AS own, toFloat64(max(offset) + 1) AS next,
      toFloat64(count()) AS rows
    FROM ${quoteName(database)}.${quoteName(table.name)} GROUP BY partition, own`,
  );
  const own = new Map<number, { next: number; rows: number }>();
  const strange = new Map<number, number>();
  for (const { partition, own: isOwn, next, rows } of found) {
    if (isOwn) own.set(partition, { next, rows });
    else strange.set(partition, rows);
  }
  return { own, strange };
}
