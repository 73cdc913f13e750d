import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chaosPlan, killPoints, killsByPoint, type Step } from "./chaos-plan.ts";

test("of 20 kills 8 fall on open transactions, 3, 4, 3 and 2 on the other points", () => {
  assert.deepEqual(killsByPoint(20), {
    transaction: 8,
    "before-write": 3,
    "after-write": 4,
    restore: 3,
    anywhere: 2,
  });
});

test("a plan has the kills, freezes and outages asked for, in restore after others, the last freeze last", () => {
  const any = fc.record({
    seed: fc.nat(),
    workers: fc.integer({ min: 2, max: 5 }),
    kills: fc.integer({ min: 0, max: 60 }),
    freezes: fc.integer({ min: 0, max: 5 }),
    outages: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(any, ({ seed, workers, kills, freezes, outages }) => {
      const plan = chaosPlan(seed, workers, kills, freezes, outages);
      assert.deepEqual(chaosPlan(seed, workers, kills, freezes, outages), plan);
      const done = Object.fromEntries(killPoints.map((point) => [point, 0]));
      assert.equal(plan.filter((step) => step.kind === "outage").length, outages);
      for (const step of plan) {
        if (step.kind === "outage") continue;
        assert.ok(step.worker >= 0 && step.worker < workers);
        if (step.kind !== "kill") continue;
        done[step.point] = (done[step.point] ?? 0) + 1;
        if (step.againAfterReads !== null) done["restore"] = (done["restore"] ?? 0) + 1;
      }
      assert.deepEqual(done, killsByPoint(kills));
      const frozen = plan.filter((step) => step.kind === "freeze");
      assert.equal(frozen.length, freezes);
      assert.deepEqual(
        frozen.map(({ last }) => last),
        frozen.map((_, index) => index === freezes - 1),
      );
      if (freezes > 0) assert.equal(plan.at(-1)?.kind, "freeze");
    }),
  );
});

test("other seeds give other plans", () => {
  const plans = [1, 2, 3, 4].map((seed) => JSON.stringify(chaosPlan(seed, 3, 20, 3)));
  assert.equal(new Set(plans).size, 4);
});

test("Kafka is paused for 100 s and killed for 60 s in every run that is not told otherwise", () => {
  const away = (plan: readonly Step[]) =>
    plan.flatMap((step) => (step.kind === "outage" ? [`${step.how} ${step.forMs}`] : [])).sort();
  for (const seed of [1, 2, 3, 4, 5]) {
    assert.deepEqual(away(chaosPlan(seed, 3, 20, 3)), ["kill 60000", "pause 100000"]);
    assert.deepEqual(away(chaosPlan(seed, 3, 8, 1, 3)), [
      ...["kill 60000", "pause 100000", "pause 100000"],
    ]);
  }
});
