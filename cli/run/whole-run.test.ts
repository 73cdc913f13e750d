/** A whole run of a few hours of real flights, disturbed in every way, killed once and resumed. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyRun } from "../../audit/verify-run.ts";
import { expectedCounts } from "../../examples/flights/expected-counts.ts";
import type { FlightSource } from "../../examples/flights/flight-source.ts";
import { parseInjections } from "../../examples/flights/injections.ts";
import { openFlights } from "../../examples/flights/open-flights.ts";
import { checkRun } from "../../examples/flights/oracle/check-run.ts";
import { departureKind, replaySteps } from "../../examples/flights/replay-steps.ts";
import { storesOf } from "../../runtime/hosting/stack.ts";
import { readTallies } from "../../runtime/row-topics/tally.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { connectInspector } from "../inspect/socket-client.ts";
import { socketPath } from "../inspect/socket-path.ts";
import { askMillrace, killStarted, startMillrace, until, withStack } from "../millrace-fixture.ts";
import type { Summary } from "../summary/summary.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-whole-"));
const data = join(folder, "data");
const summaryFile = join(folder, "summary.json");
const inject = ["disorder:5m", "late:1%", "duplicates:1%"];
const from = Date.UTC(2001, 0, 2, 12);
const to = Date.UTC(2001, 0, 2, 20);
const latenessMs = 10 * 60_000;
const range = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T20:00"];
/** At 1 MB a partition, the topic of this table is purged. */
const purgedTable = "raw_destination_delays_v1";
const wrongCount = /\d+ rows below offset \d+, where \d+ were purged/;

after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

const start = (...args: string[]) => startMillrace(...args, "--data", data);
const ask = (...args: string[]) => askMillrace(...args, "--data", data);

const runArgs = [
  ...["run", ...range, "--summary", summaryFile, "--row-topic-mb", "1"],
  ...inject.flatMap((each) => ["--inject", each]),
];
const run = () => start(...runArgs);

/** `topic/flightId` of each record that the injection holds back until it is late. */
async function chosenAsLate(source: FlightSource): Promise<string[]> {
  const chosen: string[] = [];
  const segment = { from, to, injections: parseInjections(inject, 1, latenessMs), latenessMs };
  for await (const { events } of replaySteps(source, segment, Number.NEGATIVE_INFINITY)) {
    for (const [at, block] of events.blocks.entries()) {
      if (events.late[at] !== true) continue;
      const topic = events.kinds[at] === departureKind ? "departures" : "arrivals";
      chosen.push(`flights.${topic}/${block.flightId[events.rows[at] as number]}`);
    }
  }
  return chosen.sort();
}

test("a run can be asked while it works, holds its directory, and is killed", async () => {
  const { child, ended } = run();
  const inspector = await until("the socket", () => connectInspector(data));
  assert.equal(statSync(socketPath(data)).mode & 0o777, 0o600);
  assert.equal(statSync(data).mode & 0o777, 0o700);
  await until("rows", async () => {
    const topics = await inspector.topics({ names: [], countRecords: false });
    const rows = topics.filter(({ role }) => role === "rows");
    return rows.some(({ partitions }) => partitions.some(({ end }) => end > 200)) ? true : null;
  });
  assert.match(
    await inspector.sql({ query: "SELECT 1 AS one", format: "TSV", topology: null }),
    /^1\n$/,
  );
  await assert.rejects(
    inspector.sql({ query: "SELECT nonsense", format: "TSV", topology: null }),
    /nonsense/,
  );
  const [line] = (await inspector.config({})).filter(({ name }) => name === "data");
  assert.equal(line?.value, data);
  const second = await ask(...runArgs);
  assert.equal(second.code, 1);
  assert.match(second.err, new RegExp(`DATA_LOCKED.*${child.pid}`));
  child.kill("SIGKILL");
  await ended;
});

test("started again it goes on, balances, and has exactly the injected late records", async () => {
  const { code, out, err } = await run().ended;
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /Balanced/);
  const summary = JSON.parse(readFileSync(summaryFile, "utf8")) as Summary;
  assert.equal(summary.balanced, true);
  const injections = parseInjections(inject, 1, latenessMs);
  const expected = await withStack(data, (stack) =>
    expectedCounts(openFlights(stack.offline), { from, to, injections, latenessMs }),
  );
  const branches = summary.topologies["flights"]?.branches ?? [];
  const total = (branch: string, of: "in" | "late" | "filtered" | "processed") =>
    branches.filter((each) => each.branch === branch).reduce((sum, each) => sum + each[of], 0);
  const { departures, arrivals } = expected;
  assert.ok(departures.late > 20 && departures.duplicates > 20);
  assert.deepEqual(
    [total("predictions", "in"), total("predictions", "late"), total("predictions", "filtered")],
    [departures.records, departures.late, departures.duplicates],
  );
  assert.deepEqual(
    [total("origin_delays@1", "in"), total("origin_delays@1", "late")],
    [arrivals.records, arrivals.late],
  );
  assert.equal(total("origin_delays@1", "processed"), arrivals.records - arrivals.late);
  await withStack(data, async ({ offline }) => {
    const late = await offline.query<{ source: string; key: string }>(
      "SELECT source, key FROM flights.late_records",
    );
    assert.deepEqual(
      late.map(({ source, key }) => `${source}/${key}`).sort(),
      await chosenAsLate(openFlights(offline)),
    );
  });
});

test("a run that is complete prints the same summary again", async () => {
  const before = readFileSync(summaryFile, "utf8");
  const { code } = await ask(...runArgs);
  assert.equal(code, 0);
  assert.equal(readFileSync(summaryFile, "utf8"), before);
});

test("another start or other injections are refused, with what to do", async () => {
  const shorter = await ask("run", ...range, "--inject", "late:1%");
  assert.deepEqual([shorter.code, /DATA_RANGE_CHANGED.*--fresh/s.test(shorter.err)], [2, true]);
});

test("features, topics and models can be looked at afterwards", async () => {
  const now = await ask("features", "get", "origin_delays", "ORD", "--json");
  assert.equal(now.code, 0, now.err);
  const answer = JSON.parse(now.out) as { freshness: string; source: string; at: number };
  assert.deepEqual([answer.freshness, answer.source, answer.at], ["FRESH", "online", to]);
  const past = await ask("features", "get", "origin_delays", "ORD", "--at", "2001-01-02T15:00");
  assert.match(past.out, /ORD at 2001-01-02T15:00:00.000Z: FRESH \(offline\)/);
  const unknown = await ask("features", "get", "nonsense", "ORD");
  assert.deepEqual([unknown.code, unknown.err.includes("origin_delays@1")], [2, true]);
  assert.match((await ask("topics", "--count")).out, /flights\.departures +source +4/);
});

test("the offline rows equal a naive recomputation in SQL, which notices 1 ms", async () => {
  await withStack(data, async (stack) => {
    const options = { plan, stack, from, to, inject, points: 8_000 };
    const report = await checkRun(options);
    assert.deepEqual(report, { checked: 8_000, tiled: 0, mismatched: 0, mismatches: [] });
    // The same rows, but what leaves a window leaves it 1 ms late.
    const late = await checkRun({
      ...options,
      rowsOf: (view, events) => {
        const keys = view.keyFields.join(", ");
        return `(SELECT * REPLACE (if((${keys}, toUnixTimestamp64Milli(as_of)) IN
          (SELECT ${keys}, \`:known\` FROM (${events})),
          as_of, as_of + INTERVAL 1 MILLISECOND) AS as_of)
          FROM flights.raw_${view.name}_v${view.version})`;
      },
    });
    assert.ok(late.mismatched > 100, `${late.mismatched} mismatches`);
  });
});

test("row topics are purged behind their pumps, and verify notices what the tally counted", async () => {
  await withStack(data, async (stack) => {
    const { broker, registry, offline } = storesOf(stack, plan.name);
    const problems = async () =>
      (await verifyRun({ plan, broker, registry, offline })).problems.join("\n");
    const { tables } = await verifyRun({ plan, broker, registry, offline });
    const purged = tables.find((each) => each.table === purgedTable);
    assert.ok(purged !== undefined && purged.purged > 0, JSON.stringify(tables));
    assert.equal(await problems(), "");
    const tallies = await readTallies(broker, plan.name, purged.topic, purged.partitions);
    const partition = tallies.findIndex(({ rows }) => rows > 0);
    const change = (sql: string) => offline.queryText(sql, "TSV");
    const isRow = `WHERE partition = ${partition} AND offset = (SELECT min(offset)
      FROM flights.${purgedTable} WHERE partition = ${partition})`;
    const kept = `CREATE TABLE flights.kept ENGINE = Memory AS
      SELECT * FROM flights.${purgedTable} ${isRow}`;
    await change(kept);
    const remove = `ALTER TABLE flights.${purgedTable} DELETE WHERE partition = ${partition}
      AND offset IN (SELECT offset FROM flights.kept) SETTINGS mutations_sync = 2`;
    const add = (columns: string) =>
      change(`INSERT INTO flights.${purgedTable} SELECT ${columns} FROM flights.kept`);
    await change(remove);
    assert.match(await problems(), wrongCount);
    await add("* REPLACE (seq + 1 AS seq)");
    assert.match(await problems(), /rows below offset \d+ are not those that were purged/);
    await add("*");
    assert.match(await problems(), wrongCount);
    await change(remove);
    await add("*");
    assert.equal(await problems(), "");
    await change("DROP TABLE flights.kept");
  });
});

test("verify finds everything, and names the row that is missing from any table", async () => {
  const whole = await ask("verify", "--points", "400");
  assert.equal(whole.code, 0, whole.out);
  assert.match(whole.out, /400 look-ups recomputed in SQL over the raw file: 0 differ/);
  const missing: [table: string, offset: string][] = [];
  await withStack(data, async ({ offline }) => {
    for (const table of [
      "raw_predictions",
      "raw_outcomes",
      "raw_late_records",
      "raw_route_delays_v1",
    ]) {
      const [row] = await offline.query<{ partition: number; offset: number }>(
        // The newest: not among those that were purged, which have no offsets any more.
        `SELECT partition, offset FROM flights.${table} ORDER BY offset DESC LIMIT 1`,
      );
      assert.ok(row !== undefined, table);
      await offline.queryText(
        `ALTER TABLE flights.${table} DELETE WHERE partition = ${row.partition}
        AND offset = ${row.offset} SETTINGS mutations_sync = 2`,
        "TSV",
      );
      missing.push([`${table}, partition ${row.partition} of`, `offsets (${row.offset})`]);
    }
  });
  const { code, out } = await ask("verify");
  assert.equal(code, 1);
  assert.match(out, /4 wrong/);
  const lines = out.split("\n");
  for (const [named, offset] of missing) {
    const found = lines.some((line) => line.includes(named) && line.includes(offset));
    assert.ok(found, `${named} ${offset}: ${out}`);
  }
});

test("a fresh start refuses a directory that holds something else", async () => {
  rmSync(data, { recursive: true, force: true });
  const { code: missing, err: nothing } = await ask("topics");
  assert.deepEqual([missing, nothing.includes("DATA_MISSING")], [1, true]);
  mkdirSync(data);
  writeFileSync(join(data, "thesis.txt"), "years of work");
  const { code, err } = await ask("run", ...range, "--fresh");
  assert.deepEqual([code, err.includes("DATA_FOREIGN")], [2, true]);
  assert.equal(readFileSync(join(data, "thesis.txt"), "utf8"), "years of work");
});
