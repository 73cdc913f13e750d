import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { packageRoot } from "../../schemas/package-root.ts";
import { type ChdbStore, openChdb } from "../../sinks/chdb/chdb.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { offlineTables, offlineViews } from "./tables.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-served-outcomes-"));
const opened: { store?: ChdbStore } = {};

before(async () => {
  const store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
  });
  await store.migrate(offlineTables(flights), offlineViews(flights));
  opened.store = store;
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

function store(): ChdbStore {
  assert.ok(opened.store);
  return opened.store;
}

interface Row {
  readonly id: number;
  readonly request: string;
  readonly labelled: number | null;
  readonly label: number | null;
  readonly probability: number;
}

async function served(id: number, request: string, second: number): Promise<void> {
  await store().queryText(
    `INSERT INTO raw_predictions_served (flight_id, served_at, probability, request_id)
    VALUES (${id}, toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + ${second}, 0.25, '${request}')`,
    "TSV",
  );
}

async function outcome(id: number, second: number, label: number | null): Promise<void> {
  const at = `toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + ${second}`;
  await store().queryText(
    `INSERT INTO raw_outcomes (flight_id, predicted_at, known_at, labelled, label, label_event_time)
    VALUES (${id}, ${at}, ${at} + 60, ${label === null ? 0 : 1}, ${label ?? "NULL"},
      ${label === null ? "NULL" : at})`,
    "TSV",
  );
}

function rows(): Promise<Row[]> {
  return store().query<Row>(
    `SELECT toInt32(flight_id) AS id, request_id AS request, labelled, label, probability
    FROM predictions_served_outcomes ORDER BY id, request`,
  );
}

test("each served prediction stands once, with the newest outcome of its id once there is one", async () => {
  await served(1, "a", 10);
  await served(1, "b", 11);
  await served(2, "c", 12);
  await served(3, "d", 13);
  // Of the stream alone: nobody was served it.
  await outcome(9, 5, 1);
  const labels = async () =>
    (await rows()).map(({ request, labelled, label }) => [request, labelled, label]);
  const none = [null, null];
  assert.deepEqual(await labels(), [
    ["a", ...none],
    ["b", ...none],
    ["c", ...none],
    ["d", ...none],
  ]);
  await outcome(1, 20, 1);
  // Its time is over, and no label came.
  await outcome(2, 21, null);
  assert.deepEqual(await labels(), [
    ["a", 1, 1],
    ["b", 1, 1],
    ["c", 0, null],
    ["d", ...none],
  ]);
  // The id came again, and the label of that is late.
  await outcome(1, 30, 0);
  await outcome(3, 31, 0);
  assert.deepEqual(await labels(), [
    ["a", 1, 0],
    ["b", 1, 0],
    ["c", 0, null],
    ["d", 1, 0],
  ]);
  const [first] = await rows();
  assert.equal(first?.probability, 0.25);
});

test("the query of the page on serving counts what was served by version and origin", async () => {
  const page = readFileSync(join(packageRoot(), "docs", "serving.md"), "utf8");
  const [, sql = ""] = /```sql\n([^`]*FROM predictions_served_outcomes[^`]*)```/.exec(page) ?? [];
  await served(20, "x", 40);
  await served(21, "y", 41);
  await outcome(20, 42, 1);
  const [row] = await store().query<{ served: number; known: number; brier: number }>(
    `SELECT toInt32(sum(served)) AS served, toInt32(sum(known)) AS known, max(brier) AS brier
    FROM (${sql})`,
  );
  const all = await rows();
  const known = all.filter(({ labelled }) => labelled === 1);
  const squares = known.map(({ label, probability }) => (probability - (label ?? 0)) ** 2);
  const brier = squares.reduce((sum, each) => sum + each, 0) / squares.length;
  assert.deepEqual([row?.served, row?.known], [all.length, known.length]);
  assert.ok(Math.abs((row?.brier ?? Number.NaN) - brier) < 1e-12, String(row?.brier));
});
