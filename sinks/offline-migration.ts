import { MillraceError } from "../schemas/errors.ts";
import { quoteName, quoteText } from "../schemas/sql-text.ts";
import { deduplicationWindow } from "./offline-insert.ts";
import type { OfflineColumn, OfflineTable, OfflineView } from "./store.ts";

/** The statements that a migration needs of a driver. */
export interface MigrationTarget {
  readonly database: string;
  /** Topology whose database it is; null: anybody's. */
  readonly owner: string | null;
  /** Outside of the database, which need not exist yet. */
  readonly outside: Pick<MigrationTarget, "run" | "query">;
  /** Runs a statement in the database: names without one mean it. */
  run(sql: string): Promise<void>;
  query<Row>(sql: string): Promise<Row[]>;
}

/** Every change to tables and views, numbered: which version a database has, and since when. */
const history = "schema_versions";
/** Name of the row in it whose statement is the topology that the database belongs to. */
const ownerRow = "(topology)";

interface Found {
  readonly table: string;
  readonly name: string;
  readonly type: string;
}

/**
 * Brings a database to the tables and views: creates what is missing, adds new columns, replaces
 * views that changed, and notes each statement under the next version, also when a later one fails.
 * Idempotent.
 *
 * @throws {MillraceError} OFFLINE_TABLE_MISMATCH when a column has another type or the order of
 * rows is another: data is never rewritten behind its owner's back. OFFLINE_DATABASE_TAKEN when the
 * database is another topology's.
 */
export async function migrateTables(
  target: MigrationTarget,
  tables: readonly OfflineTable[],
  views: readonly OfflineView[],
): Promise<void> {
  const { database } = target;
  await makeDatabase(target);
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

/** A user without the right to make databases needs one that stands. */
async function makeDatabase({ database, outside }: MigrationTarget): Promise<void> {
  const found = await outside.query(
    `SELECT name FROM system.databases WHERE name = ${quoteText(database)}`,
  );
  if (found.length > 0) return;
  await outside.run(`CREATE DATABASE IF NOT EXISTS ${quoteName(database)}`);
}

interface Step {
  readonly name: string;
  readonly statement: string;
  /** A view that stands already: left alone when this very statement made it. */
  readonly replaces: boolean;
}

async function apply(target: MigrationTarget, steps: readonly Step[]): Promise<void> {
  const table = nameIn(target.database, history);
  const last = await target.query<{
    readonly name: string;
    readonly statement: string;
    readonly newest: number;
  }>(
    `SELECT name, argMax(statement, version) AS statement, max(version) AS newest
    FROM ${table} GROUP BY name`,
  );
  const applied = new Map(last.map(({ name, statement }) => [name, statement]));
  const owner = applied.get(ownerRow);
  if (owner !== undefined && target.owner !== null && owner !== target.owner) {
    const { database, owner: topology } = target;
    throw new MillraceError("OFFLINE_DATABASE_TAKEN", { database, owner, topology });
  }
  const newest = last.reduce((most, each) => Math.max(most, each.newest), 0);
  // Whose it is stands there before anything of theirs.
  if (owner === undefined && target.owner !== null) {
    await target.run(noteAll(table, [[newest + 1, ownerRow, target.owner]]));
  }
  const first = newest + (owner === undefined && target.owner !== null ? 2 : 1);
  const done: Note[] = [];
  const noteDone = async (): Promise<void> => {
    for (const part of inParts(done)) await target.run(noteAll(table, part));
  };
  try {
    for (const { name, statement, replaces } of steps) {
      if (replaces && applied.get(name) === statement) continue;
      await target.run(statement);
      done.push([first + done.length, name, statement]);
    }
  } catch (error) {
    // What stopped the change is told, also where it stops the note.
    await noteDone().catch(() => {});
    throw error;
  }
  await noteDone();
}

/** Version, name and statement of a change. */
type Note = readonly [version: number, name: string, statement: string];

/** An insert costs a store as much as a change does: many go in one. */
function noteAll(table: string, notes: readonly Note[]): string {
  const rows = notes.map(
    ([version, name, statement]) => `(${version}, ${quoteText(name)}, ${quoteText(statement)})`,
  );
  const each = `SELECT arrayJoin([${rows.join(", ")}]) AS each`;
  return `INSERT INTO ${table} SELECT each.1, each.2, each.3, now64(3, 'UTC') FROM (${each})`;
}

/** Characters of the statements in one insert: ClickHouse parses 256 KiB of a query. */
const mostNoted = 64_000;

function inParts(notes: readonly Note[]): Note[][] {
  const parts: Note[][] = [];
  let length = mostNoted;
  for (const note of notes) {
    length += note[2].length;
    if (length > mostNoted) {
      parts.push([]);
      length = note[2].length;
    }
    parts.at(-1)?.push(note);
  }
  return parts;
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
