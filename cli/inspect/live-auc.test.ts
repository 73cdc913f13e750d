import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { offlineTables, offlineViews } from "../../runtime/offline/tables.ts";
import { json } from "../../schemas/formats/kinds.ts";
import { types } from "../../schemas/formats/types.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { modelLines } from "../../serving/model-lines.ts";
import { modelRoles } from "../../serving/model-roles.ts";
import type { ServedStack } from "../../serving/served-stack.ts";
import { type ChdbStore, openChdb } from "../../sinks/chdb/chdb.ts";
import { gt } from "../../topologies/dsl/conditions.ts";
import { offline, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { currentAuc } from "../run/current-auc.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-models-"));
const opened: { store?: ChdbStore } = {};
before(async () => {
  const [directory, spoolDirectory] = [join(folder, "data"), join(folder, "spool")];
  opened.store = await openChdb({ directory, spoolDirectory });
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly probability: number;
  readonly labelled: boolean;
  /** Null: unknown. Without a label, false: taken for negative. */
  readonly label: boolean | null;
}

/** The share of pairs of a positive and a negative that a model puts right. */
function naiveAuc(outcomes: readonly Outcome[]): number | null {
  const of = (wanted: boolean) => outcomes.filter(({ label }) => label === wanted);
  const [positives, negatives] = [of(true), of(false)];
  let won = 0;
  for (const a of positives) {
    for (const b of negatives) {
      won += a.probability > b.probability ? 1 : a.probability === b.probability ? 0.5 : 0;
    }
  }
  const pairs = positives.length * negatives.length;
  return pairs === 0 ? null : won / pairs;
}

/** An offline store of one model, which has made these predictions, and one that has made none. */
function stackOf(outcomes: readonly Outcome[]): ServedStack {
  const model = predictionsOf(plan)[0]?.model.name ?? "";
  const rows = outcomes.map(
    ({ probability, labelled, label }) => `(${probability}, ${labelled}, ${label ?? "NULL"})`,
  );
  const types = "'probability Float64, labelled UInt8, label Nullable(UInt8)'";
  const given = `WITH
    ${stepsOf(plan, "label")[0]?.name} AS (SELECT *, CAST('v1', 'Nullable(String)') AS version,
      toDateTime64(1, 3, 'UTC') AS known_at
      FROM values(${[types, ...rows].join(", ")})),
    ${predictionsOf(plan)[0]?.name} AS (SELECT CAST('v1', 'Nullable(String)') AS version
      FROM numbers(${outcomes.length + 2})),
    models AS (SELECT '${plan.name}' AS topology, '${model}' AS model, version, 1 AS promoted,
      toDateTime64(0, 3, 'UTC') AS effective_from, 1 AS trained_on, 0.5 AS holdout_auc,
      'ab' AS sha256, '' AS reason FROM values('version String', 'v1', 'v2'))`;
  const query = (sql: string) => opened.store?.query(`${given} ${sql}`);
  return { offline: { of: () => ({ query }) } } as unknown as ServedStack;
}

const outcome = fc.record({
  probability: fc.constantFrom(0.125, 0.25, 0.5, 0.75),
  ...{ labelled: fc.boolean(), label: fc.constantFrom(true, false, null) },
});
/** A label is true or false; without one an outcome is negative or unknown. */
const outcomes = fc
  .array(outcome, { minLength: 1, maxLength: 30 })
  .map((all) =>
    all.map(
      ({ labelled, label, probability }): Outcome =>
        labelled
          ? { probability, labelled, label: label === true }
          : { probability, labelled, label: label === null ? null : false },
    ),
  );

const routed = topology("cards", routedSteps());

function routedSteps() {
  const stream = from(
    "payments",
    json({ id: types.text(), at: types.timestamp("ms"), amount: types.number() }),
  )
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id");
  const predictions = stream
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", {
      ...{ model: "@champion", deadline: "20ms", fallback: prior(0.1), routed: { by: "id" } },
    })
    .into(topic("scores"), offline);
  const judged = predictions
    .labelledBy(stream, { on: "id", within: "1h", label: gt("amount", 1) })
    .into(topic("judged"), offline);
  return { predictions, judged };
}

const told = fc.record({
  probability: fc.constantFrom(0.125, 0.25, 0.5, 0.75),
  label: fc.constantFrom(true, false, null),
  version: fc.constantFrom("r1", "r2", null),
  shadow: fc.constantFrom(0.1, 0.2, 0.9, null),
});

test("champion, challengers and shadow are judged each by the outcomes of its own", async () => {
  for (const all of fc.sample(fc.array(told, { minLength: 1, maxLength: 40 }), {
    ...{ numRuns: 20, seed: 2 },
  })) {
    const rows = all.map(({ probability, label, version, shadow }) => {
      const role = version === null ? "fallback" : version === "r1" ? "champion" : "challenger";
      const who = version === null ? "NULL" : `'${version}'`;
      const beside = shadow === null ? "NULL, NULL" : `'r4', ${shadow}`;
      return `(${probability}, ${label ?? "NULL"}, ${who}, '${role}', ${beside})`;
    });
    const columns = `'probability Float64, label Nullable(UInt8), version Nullable(String),
      role String, shadow_version Nullable(String), shadow_score Nullable(Float64)'`;
    // A gateway was asked with these too, and twice with some whose outcome is not known yet.
    const asked = `SELECT *, CAST(1, 'Nullable(UInt8)') AS outcome_known_at FROM judged UNION ALL
      SELECT * REPLACE (NULL AS label), NULL AS outcome_known_at FROM judged`;
    const given = `WITH judged AS (SELECT * FROM values(${[columns, ...rows].join(", ")})),
      predictions_shadows_outcomes AS (${asked})`;
    const query = (sql: string) => opened.store?.query(`${given} ${sql}`);
    const lines = await modelRoles(routed, "fraud", { query } as never);
    const versions = (version: string) => all.filter((each) => each.version === version);
    const shadowed = all.filter(({ shadow }) => shadow !== null);
    const expected = [
      { role: "challenger", from: "stream", version: "r2", of: versions("r2") },
      { role: "champion", from: "stream", version: "r1", of: versions("r1") },
      { role: "shadow", from: "stream", version: "r4", of: shadowed },
      { role: "shadow", from: "gateway", version: "r4", of: shadowed },
    ].filter(({ of }) => of.length > 0);
    const near = (a: number | null | undefined, b: number | null) =>
      b === null ? a === null : Math.abs((a ?? -1) - b) < 1e-12;
    assert.equal(lines.length, expected.length);
    for (const [i, { of, ...named }] of expected.entries()) {
      const line = lines[i];
      const known = of.filter(({ label }) => label !== null).length;
      const counts = { step: "predictions", ...named, outcomes: of.length, known };
      assert.deepEqual({ ...line, ...counts }, line);
      const isShadow = named.role === "shadow";
      const own = of.map((each) => {
        return {
          ...each,
          labelled: true,
          probability: isShadow ? Number(each.shadow) : each.probability,
        };
      });
      assert.ok(near(line?.auc, naiveAuc(own)), JSON.stringify([line, own]));
      const answered = of.map((each) => ({ ...each, labelled: true }));
      assert.ok(near(line?.answeredAuc, isShadow ? naiveAuc(answered) : null));
    }
  }
});

test("what shadows scored beside the answers of a gateway is counted in the tables of a run", async () => {
  const { store } = opened;
  assert.ok(store);
  await store.migrate(offlineTables(routed), offlineViews(routed));
  const at = "toDateTime64('2026-01-01 00:00:00', 3, 'UTC')";
  const rows = [0.2, 0.9, 0.4, null].map(
    (score, i) => `('p${i}', ${at}, 0.5, 'r1', 'champion', 'r4', ${score ?? "NULL"})`,
  );
  await store.queryText(
    `INSERT INTO raw_predictions_shadows
      (id, served_at, probability, version, role, shadow_version, shadow_score)
    VALUES ${rows.join(", ")}`,
    "TSV",
  );
  const labels = [0, 1].map((label) => `('p${label}', ${at}, ${at} + 60, 1, ${label}, 0.5, 'r1')`);
  await store.queryText(
    `INSERT INTO raw_judged (id, predicted_at, known_at, labelled, label, probability, version)
    VALUES ${labels.join(", ")}`,
    "TSV",
  );
  const lines = await modelRoles(routed, "fraud", store);
  const shadow = lines.find(({ role }) => role === "shadow");
  assert.deepEqual(shadow, {
    ...{ step: "predictions", role: "shadow", from: "gateway", version: "r4" },
    ...{ outcomes: 2, known: 2, auc: 1, answeredAuc: 0.5 },
  });
});

test("models are judged by all outcomes that are known, those taken for negative too", async () => {
  for (const all of fc.sample(outcomes, { numRuns: 40, seed: 1 })) {
    const stack = stackOf(all);
    const [first, second] = await modelLines([plan], stack, []);
    const expected = naiveAuc(all);
    const told = JSON.stringify(all);
    assert.deepEqual([first?.scored, second?.scored, second?.liveAuc], [all.length + 2, 0, null]);
    const found = [first?.liveAuc, await currentAuc([plan], stack.offline as never)];
    for (const auc of found) {
      if (expected === null) assert.equal(auc, null, told);
      else assert.ok(Math.abs((auc ?? -1) - expected) < 1e-12, `${auc} ${expected} ${told}`);
    }
  }
});
