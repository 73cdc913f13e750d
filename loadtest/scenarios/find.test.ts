import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ArtifactStore, openArtifactStore } from "../../runtime/services/train/artifacts.ts";
import { logisticRegressionGraph } from "../../runtime/services/train/logistic-regression-graph.ts";
import { type ChdbStore, openChdb } from "../../sinks/chdb/chdb.ts";
import type { OfflineColumn, OfflineStore } from "../../sinks/store.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { findingsOf } from "./find.ts";

const plan = {
  ...flights,
  steps: flights.steps.map((step) =>
    step.kind === "scoring" ? { ...step, spec: { ...step.spec, features: ["x"] } } : step,
  ),
};
const at = (text: string) => Date.parse(`${text}Z`);

/** The columns that are asked for, of the views that a run leaves behind. */
const tables: Readonly<Record<string, string>> = {
  predictions: "flight_id Int64, event_time T, known_at T, x Nullable(Float64)",
  outcomes:
    "flight_id Int64, predicted_at T, known_at T, labelled UInt8, label Nullable(UInt8), " +
    "probability Float64, fallback UInt8",
  drift:
    "kind String, window_start T, window_end T, known_at T, rows Int64, statistic Float64, alarm UInt8",
  models:
    "version String, promoted UInt8, reason String, cutoff T, effective_from T, trained_on Int64, " +
    "holdout_auc Nullable(Float64), champion_auc Nullable(Float64), sha256 String",
};

let directory: string;
let chdb: ChdbStore;
let offline: OfflineStore;
let artifacts: ArtifactStore;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-findings-"));
  artifacts = openArtifactStore(join(directory, "models"));
  const spoolDirectory = join(directory, "spool");
  chdb = await openChdb({ directory: join(directory, "chdb"), spoolDirectory });
  offline = chdb.of("flights");
  const definitions = Object.entries(tables).map(([name, text]) => ({
    name,
    columns: text.split(", ").map((each): OfflineColumn => {
      const [column = "", type = ""] = each.split(" ");
      const given = type === "T" ? "DateTime64(3, 'UTC')" : type;
      return { name: column, type: given as OfflineColumn["type"] };
    }),
    orderBy: [text.split(" ")[0] ?? ""],
  }));
  await offline.migrate(definitions, []);
  for (const sql of await madeUp()) await offline.query(sql);
});
after(async () => {
  await chdb.close();
  await rm(directory, { recursive: true, force: true });
});

/**
 * A flight every 15 minutes from 2 March on, known 1 s later, its outcome 2 h after that. x tells
 * the label; from 3 March on it tells the opposite. The fallback answers the first twelve.
 */
async function madeUp(): Promise<string[]> {
  const departed = "toDateTime64('2001-03-02 00:00:00', 3, 'UTC') + toIntervalMinute(number * 15)";
  const label = "number % 4 = 0";
  const model = { intercept: -2, weights: Float64Array.of(4), iterations: 1, gradient: 0 };
  const scaled = [{ feature: 0, mean: 0, scale: 1 }];
  const preparation = { scaled, indicators: [], categories: [], columns: 1 };
  const old = await artifacts.put(logisticRegressionGraph(1, preparation, model));
  return [
    `INSERT INTO flights.predictions SELECT number, ${departed}, ${departed} + toIntervalSecond(1),
      number < 96 ? ${label} : NOT (${label}) FROM numbers(288)`,
    `INSERT INTO flights.outcomes SELECT number, ${departed} + toIntervalSecond(1),
      ${departed} + toIntervalSecond(7201), 1, ${label}, number % 2 = 0, number < 12
      FROM numbers(288)`,
    `INSERT INTO flights.drift SELECT 'performance', '2001-03-03 00:00:00', '2001-03-04 00:00:00',
      '2001-03-04 02:00:00', 96, 0.4, 1`,
    `INSERT INTO flights.drift SELECT 'performance', '2001-03-02 00:00:00', '2001-03-03 00:00:00',
      '2001-03-03 02:00:00', 10, nan, 0`,
    `INSERT INTO flights.drift SELECT 'features', '2001-03-03 00:00:00', '2001-03-04 00:00:00',
      '2001-03-04 00:00:00', 96, 9, 1`,
    `INSERT INTO flights.models SELECT 'v2', 0, 'no gain', '2001-03-04 12:00:00',
      '2001-03-04 18:00:00', 10, 0.5, 0.6, ''`,
    `INSERT INTO flights.models SELECT 'v1', 1, 'first', '2001-03-02 12:00:00',
      '2001-03-02 18:00:00', 30, 0.9, NULL, '${old}'`,
  ];
}

test("days say how late they were, how they were predicted, and how the old champion would do", async () => {
  const { days, oldChampion, oldChampionAuc } = await findingsOf(plan, { offline, artifacts });
  assert.equal(oldChampion, "v1");
  assert.equal(oldChampionAuc, 0);
  // One in four is late and gets 1, as a third of the others does: AUC 1 − 1/3 · 1/2.
  const rest = { lateShare: 0.25, scored: 96, liveAuc: 5 / 6 };
  assert.deepEqual(
    days.map((day) => ({ ...day, liveAuc: Number(day.liveAuc?.toFixed(9)) })),
    [
      { ...rest, day: "2001-03-02", scored: 84, oldChampionAuc: null },
      { ...rest, day: "2001-03-03", oldChampionAuc: 0 },
      { ...rest, day: "2001-03-04", oldChampionAuc: 0 },
    ].map((day) => ({ ...day, liveAuc: Number(day.liveAuc.toFixed(9)) })),
  );
});

test("performance windows come in order, with NaN where too few rows allowed no judgement", async () => {
  const { windows } = await findingsOf(plan, { offline, artifacts });
  assert.deepEqual(
    windows.map(({ windowStart, knownAt, auc, alarm }) => [windowStart, knownAt, auc, alarm]),
    [
      [at("2001-03-02T00:00"), at("2001-03-03T02:00"), Number.NaN, false],
      [at("2001-03-03T00:00"), at("2001-03-04T02:00"), 0.4, true],
    ],
  );
});

test("a model's rows are the first outcomes of its request, and must be there", async () => {
  const { models } = await findingsOf(plan, { offline, artifacts });
  assert.deepEqual(
    models.map(({ version, promoted, firstDeparture, lastDeparture }) => [
      version,
      promoted,
      firstDeparture,
      lastDeparture,
    ]),
    [
      ["v1", true, at("2001-03-02T00:00"), at("2001-03-02T07:15")],
      ["v2", false, at("2001-03-02T00:00"), at("2001-03-02T02:15")],
    ],
  );
  await offline.query(
    `INSERT INTO flights.models SELECT 'v3', 1, '', '2001-03-04 13:00:00', '2001-03-04 19:00:00',
      1000, 0.9, 0.6, ''`,
  );
  await assert.rejects(
    findingsOf(plan, { offline, artifacts }),
    /v3 says 1000 rows, \d+ are found/,
  );
});
