/** A champion that hangs at certain records, under requests. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { hangingModel } from "../services/score/hanging-model-fixture.ts";
import { type PredictWorld, plan, predictWorld, step } from "./predict-fixture.ts";
import { Predictions } from "./predictions.ts";

let world: PredictWorld;
before(async () => {
  world = await predictWorld();
});
after(() => world.close());

test("a champion that hangs is put aside: the version before it answers, requests meanwhile the fallback", async (t) => {
  const stack = { ...world, online: createMemoryOnlineStore(), artifacts: world.artifacts("one") };
  const warnings: string[] = [];
  let hung = 0;
  const predictions = new Predictions([plan], stack, {
    ...{ runMs: 1_000, hung: () => hung++ },
    warn: (message, facts) => void warnings.push(`${message} ${JSON.stringify(facts)}`),
  });
  t.after(() => predictions.close());
  const before = await world.promote("before");
  const at = step.features.indexOf("amount");
  const answer = step.features.indexOf("large");
  const bytes = hangingModel({ features: step.features.length, answer, at, above: 80 });
  let asked = 0;
  const ask = async (amount: number, deadlineMs: number | null) => {
    const record = { paymentId: `p${asked++}`, card: "c", shop: "s", country: "fr", amount };
    const how = { asker: { requestId: "", user: null }, deadlineMs, failsLate: false };
    const [made] = await predictions.step(step.name, null).predict([record], how, String);
    return { by: made?.version, why: made?.fallbackReason, score: made?.told?.["score"] };
  };
  assert.equal((await ask(60, null)).by, before);
  const hanging = await world.promote("hanging", { bytes });
  while ((await ask(60, null)).by !== hanging);
  assert.deepEqual(await ask(60, null), { by: hanging, why: null, score: 1 });
  // Below 80 it never hangs, and the rows wait behind those that do.
  assert.deepEqual(await ask(85, 50), { by: null, why: "late", score: 0.1 });
  while (hung < 3) {
    const { by, why } = await ask(85, 50);
    assert.ok(by === null && (why === "late" || why === "failed"), `${by} ${why}`);
  }
  const reasons = new Set<string | null | undefined>();
  for (let by: string | null | undefined; by !== before; ) {
    const made = await ask(60, null);
    by = made.by;
    reasons.add(made.why);
  }
  assert.deepEqual([...reasons], ["failed", null]);
  assert.equal((await ask(85, 2_000)).by, before, "nobody asks it any more");
  assert.equal(hung, 3);
  assert.ok(warnings.some((each) => /run of a model was ended.*it hangs/.test(each)));
  assert.ok(warnings.some((each) => /put aside/.test(each) && each.includes(hanging)));
});
