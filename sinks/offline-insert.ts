import { quoteName, quoteText } from "../schemas/sql-text.ts";
import type { InsertHead } from "./statement.ts";
import type { OfflineBlock } from "./store.ts";

/** Inserts that a table remembers by their token: a retry within it stores nothing twice. */
export const deduplicationWindow = 10_000;

/**
 * The INSERT of a block. Settings stand in the statement itself: set on a session they would stay,
 * and a later insert without a token of its own would be dropped.
 */
export function insertHead(database: string, block: OfflineBlock): InsertHead {
  const columns = block.table.columns.map(({ name }) => quoteName(name)).join(", ");
  const table = `${quoteName(database)}.${quoteName(block.table.name)}`;
  const settings = {
    insert_deduplication_token: quoteText(block.token),
    insert_deduplicate: 1,
    async_insert: 0,
    // One block an insert, whatever the rows weigh: it is seen whole or not at all.
    max_insert_block_size: 1_048_576,
    max_insert_block_size_bytes: 0,
    min_insert_block_size_rows: 1_048_576,
    min_insert_block_size_bytes: 0,
    max_insert_threads: 1,
  };
  return {
    into: `INSERT INTO ${table} (${columns})`,
    settings: Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}`)
      .join(", "),
    format: "RowBinary",
  };
}
