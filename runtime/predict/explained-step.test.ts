/** A step that explains: a gateway answers and logs what the stream tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readExplainResult } from "../../processors/scoring/explain-work.ts";
import { ByteReader } from "../../schemas/bytes.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { startPumps } from "../hosting/pumps.ts";
import { offlineTables } from "../offline/tables.ts";
import { explaining } from "../services/explain/explain-service.ts";
import { explainedPlan, fittedModel, predictWorld, step } from "./predict-fixture.ts";
import { Predictions } from "./predictions.ts";

test("what a gateway answers of a score is logged with it, and is what the stream tells", async (t) => {
  const world = await predictWorld(explainedPlan);
  const online = createMemoryOnlineStore();
  const stack = { ...world, online, artifacts: world.artifacts("one") };
  const predictions = new Predictions([explainedPlan], stack, { logs: true });
  await world.promote("explained");
  const offline = createMemoryOfflineStore();
  await offline.migrate(offlineTables(explainedPlan), []);
  const pumps = await startPumps(explainedPlan, { ...world, online, offline }, () => {});
  t.after(async () => {
    await predictions.close();
    await Promise.all(pumps.map((pump) => pump.stop()));
    await world.close();
  });
  const record = { card: "c1", shop: "s", country: "fr" };
  const records = [60, 1, 95].map((amount, n) => ({ ...record, amount, paymentId: `p${n}` }));
  const asker = { requestId: "r", user: null };
  const how = { asker, deadlineMs: null, failsLate: false };
  const ask = (explains: boolean) =>
    predictions.step(step.name, null).predict(records, { ...how, explains }, String);
  const made = await ask(false);
  await Promise.all(pumps.map((pump) => pump.drain()));
  const rows = offline.rows(`raw_${step.name}_served`);
  assert.equal(rows.length, made.length);
  const artifacts = world.artifacts("stream").of(explainedPlan.name);
  const sha256 = await artifacts.put(fittedModel("explained", step.features));
  const service = explaining.open({
    ...{ plan: explainedPlan, artifacts, scoringThreads: 0, whenStored: async () => {} },
    offline: { query: async () => [], queryStream: () => assert.fail("it asks no store") },
  });
  const { features } = step;
  const work = { versions: ["r1"], artifacts: [sha256], versionOf: Uint16Array.of(0) };
  for (const { id, explanation, features: vector } of made) {
    const row = rows.find((each) => each["payment_id"] === id);
    const [expected, contributions, rest, reason] = [
      row?.["explanation_expected"],
      row?.["explanation_contributions"],
      row?.["explanation_rest"],
      row?.["explanation_reason"],
    ];
    assert.ok(explanation !== null);
    if ("why" in explanation) {
      // Its amount is out of range: the fallback answers.
      assert.equal(id, "p2");
      assert.deepEqual([expected, contributions, reason], [null, {}, explanation.why]);
      continue;
    }
    assert.ok("rest" in explanation && explanation.contributions.length === 3);
    const named = explanation.contributions.map((each) => [each.feature, each.contribution]);
    assert.deepEqual(
      [expected, Object.entries(contributions as object), rest, reason],
      [explanation.expected, named, explanation.rest, null],
    );
    const [subtopology] = explainedPlan.subtopologies;
    assert.ok(subtopology !== undefined);
    const bytes = await service.run({ ...work, rows: vector, features, most: 3 }, subtopology);
    assert.deepEqual(readExplainResult(new ByteReader(bytes), 1), [explanation]);
  }
  // Asked for, all features are told; the log has what the step tells.
  const [whole] = await ask(true);
  const all = whole?.explanation;
  assert.ok(all != null && !("why" in all) && !("rest" in all));
  assert.deepEqual([...all.contributions.keys()], features);
  await service.close();
});
