import { MillraceError } from "../schemas/errors.ts";
import { deduplicationWindow } from "./offline-insert.ts";
import { quoteName, quoteText } from "./sql-text.ts";
import type { OfflineColumn, OfflineTable, OfflineView } from "./store.ts";

/** The statements that a migration needs of a driver. */
export interface MigrationTarget {
  readonly database: string;
  /** Runs a statement outside of the database, which need not exist yet. */
  begin(sql: string): Promise<void>;
  /** Runs a statement in the database: names without one mean it. */
  run(sql: string): Promise<void>;
  query<Row>(sql: string): Promise<Row[]>;
}

/** Every change to tables and views, numbered: which version a database has, and since when. */
const history = "schema_versions";

interface Found {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

/**
 * Brings a database to the tables and views: creates what is missing, adds new columns, replaces
 * views that changed, and notes each statement under the next version. Idempotent.
 *
 * @throws {MillraceError} OFFLINE_TABLE_MISMATCH when a column has another type or the order of
 * rows is another: data is never rewritten behind its owner's back.
 */
export async function migrateTables(
  target: MigrationTarget,
  tables: readonly OfflineTable[],
  views: readonly OfflineView[],
): Promise<void> {
  const { database } = target;
  await target.begin(`CREATE DATABASE IF NOT EXISTS ${quoteName(database)}`);
  await target.run(
    `CREATE TABLE IF NOT EXISTS ${nameIn(database, history)} (version UInt32, name String, ` +
      "statement String, applied_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY version",
  );
  const found = await target.query<Found>(
    `SELECT table, name, type FROM system.columns WHERE database = ${quoteText(database)}`,
  );
  const orders = await target.query<{ readonly name: string; readonly order: string }>(
    `SELECT name, sorting_key AS order FROM system.tables WHERE database = ${quoteText(database)}`,
  );
  const steps: Step[] = tables.flatMap((table) => {
    const columns = new Map(
      found.filter((each) => each.table === table.name).map(({ name, type }) => [name, type]),
    );
    if (columns.size === 0) {
      return [{ name: table.name, statement: createTable(database, table), replaces: false }];
    }
    checkOrder(table, orders.find((each) => each.name === table.name)?.order ?? "");
    return addedColumns(database, table, columns);
  });
  for (const view of views) {
    steps.push({
      name: view.name,
      statement: `CREATE OR REPLACE VIEW ${nameIn(database, view.name)} AS ${view.select}`,
      replaces: orders.some((each) => each.name === view.name),
    });
  }
  await apply(target, steps);
}

interface Step {
  readonly name: string;
  readonly statement: string;
  /** A view that stands already: left alone when this very statement made it. */
  readonly replaces: boolean;
}

async function apply(target: MigrationTarget, steps: readonly Step[]): Promise<void> {
  const table = nameIn(target.database, history);
  const last = await target.query<{ readonly name: string; readonly statement: string }>(
    `SELECT name, argMax(statement, version) AS statement FROM ${table} GROUP BY name`,
  );
  const applied = new Map(last.map(({ name, statement }) => [name, statement]));
  const [newest] = await target.query<{ readonly version: number }>(
    `SELECT max(version) AS version FROM ${table}`,
  );
  let version = newest?.version ?? 0;
  for (const { name, statement, replaces } of steps) {
    if (replaces && applied.get(name) === statement) continue;
    await target.run(statement);
    version += 1;
    const row = `${version}, ${quoteText(name)}, ${quoteText(statement)}, now64(3, 'UTC')`;
    await target.run(`INSERT INTO ${table} SELECT ${row}`);
  }
}

function createTable(database: string, table: OfflineTable): string {
  return [
    `CREATE TABLE IF NOT EXISTS ${nameIn(database, table.name)}`,
    `(${table.columns.map(definition).join(", ")})`,
    `ENGINE = MergeTree ORDER BY (${table.orderBy.map(quoteName).join(", ")})`,
    `SETTINGS non_replicated_deduplication_window = ${deduplicationWindow}`,
  ].join(" ");
}

function addedColumns(
  database: string,
  table: OfflineTable,
  found: ReadonlyMap<string, string>,
): Step[] {
  const steps: Step[] = [];
  for (const column of table.columns) {
    const actual = found.get(column.name);
    if (actual === undefined) {
      const added = `ADD COLUMN IF NOT EXISTS ${definition(column)}`;
      const statement = `ALTER TABLE ${nameIn(database, table.name)} ${added}`;
      steps.push({ name: table.name, statement, replaces: false });
    } else if (actual !== column.type) {
      const what = `column ${column.name} of type`;
      throw mismatch(table, what, actual, column.type);
    }
  }
  return steps;
}

function checkOrder(table: OfflineTable, actual: string): void {
  const expected = table.orderBy.join(", ");
  // Of one column ClickHouse keeps the parentheses.
  if (actual.replaceAll(/[`()]/g, "") !== expected)
    throw mismatch(table, "order", actual, expected);
}

function mismatch(
  table: OfflineTable,
  what: string,
  actual: string,
  expected: string,
): MillraceError {
  return new MillraceError("OFFLINE_TABLE_MISMATCH", { table: table.name, what, actual, expected });
}

function definition({ name, type, codec }: OfflineColumn): string {
  return `${quoteName(name)} ${type}${codec === undefined ? "" : ` CODEC(${codec})`}`;
}

function nameIn(database: string, table: string): string {
  return `${quoteName(database)}.${quoteName(table)}`;
}
