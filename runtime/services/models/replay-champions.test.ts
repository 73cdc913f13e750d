/** From when on a champion of a replay is in force that somebody names without saying so. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Plan } from "../../../schemas/plan.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { type PredictWorld, plan, predictWorld } from "../../predict/predict-fixture.ts";
import { ModelNames } from "./model-names.ts";

const predictedUntil = Date.UTC(2026, 0, 12);
/** Trained on the last day of the replay, and champion an hour behind its last prediction. */
const coming = predictedUntil + 3_600_000;
const [like] = plan.topics;
const trainedPlan: Plan = {
  ...plan,
  topics: [
    ...plan.topics,
    { ...(like as NonNullable<typeof like>), name: "models", role: "models" },
  ],
};
const trained = {
  ...{ version: "v4", sha256: "4".repeat(64), promoted: true, champion: null, reason: "better" },
  effectiveFrom: coming,
};
const query = async (sql: string) =>
  sql.includes("FROM models") ? [trained] : [{ until: predictedUntil }];
const offline = { of: () => ({ query }) } as unknown as OfflineStore;

let world: PredictWorld;
before(async () => {
  world = await predictWorld();
});
after(() => world.close());

function namesOf(of: Plan, now: number | null = null): ModelNames {
  const stores = { broker: world.broker, offline, artifacts: world.artifacts("one") };
  return new ModelNames(of, "fraud", stores, () => now);
}

const intent = { effectiveFrom: null, by: "test", why: "" };

test("it comes behind the predictions, and behind a champion that has yet to come", async () => {
  const named = await world.promote("first", { effectiveFrom: predictedUntil - 1 });
  assert.equal((await namesOf(plan).promote(named, intent)).effectiveFrom, predictedUntil);

  const names = namesOf(trainedPlan);
  const promoted = await names.promote(named, intent);
  assert.deepEqual([promoted.from, promoted.effectiveFrom], ["v4", coming + 1]);
  assert.equal((await names.state()).champions.at(-1)?.version, named);

  // Taken back, it is v4 again, whose own time is over by then.
  const back = await names.rollBack(intent);
  assert.deepEqual([back.version, back.from], ["v4", named]);
  assert.equal((await names.state()).champions.at(-1)?.version, "v4");
});

test("in a live run one that has yet to come is not the champion, and is not taken back", async () => {
  const now = coming - 1_000;
  const names = namesOf(trainedPlan, now);
  const second = await world.promote("second", { effectiveFrom: now });
  const third = await world.promote("third", { effectiveFrom: now });
  const late = { ...intent, effectiveFrom: coming + 2_000 };
  assert.equal((await names.promote(second, late)).from, third);
  assert.equal((await names.file(null)).version, third);
  const back = await names.rollBack(intent);
  assert.deepEqual([back.version, back.from, back.effectiveFrom], [second, third, now]);
  // Its time has come.
  const after = namesOf(trainedPlan, coming + 3_000);
  assert.equal((await after.state()).served.at(-1)?.effectiveFrom, coming + 2_000);
});
