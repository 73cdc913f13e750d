/** What a gateway predicts is what the stream does: the same doubles of the same features. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import type { OnlineKey } from "../../sinks/store.ts";
import { topologyDriver } from "../../testing/topology-driver.ts";
import { createScoringPool } from "../services/score/scoring-pool.ts";
import {
  fittedModel,
  type Payment,
  type PredictWorld,
  plan,
  predictWorld,
  step,
} from "./predict-fixture.ts";
import { Predictions } from "./predictions.ts";

let world: PredictWorld;
before(async () => {
  world = await predictWorld();
});
after(() => world.close());

const minute = 60_000;
const start = Date.UTC(2026, 0, 5);

test("features are those of the stream to the last bit, and so are the scores", async () => {
  const driver = topologyDriver(plan);
  const random = seededRandom("parity");
  const input = driver.input("payments");
  let q = start;
  /** The rows of the view tasks, as the online store gets them. */
  const read = async (keys: readonly OnlineKey[]) =>
    Promise.all(
      keys.map(async ({ view, entityKey }) => ({
        row: await driver.store(view.replace("cards/", "")).get(entityKey),
        progress: q,
      })),
    );
  const stack = { ...world, artifacts: world.artifacts("one"), online: { read } };
  const predictions = new Predictions([plan], stack, { now: () => q });
  await world.promote("parity", { effectiveFrom: start - 1 });
  const vectors: Float64Array[] = [];
  const probabilities: number[] = [];
  const rules = new Set<unknown>();
  let missing = 0;
  for (let round = 0; round < 60; round++) {
    for (let n = random(4); n > 0; n--) {
      q += 1 + random(20 * minute);
      input.send(paymentAt(q, `p${round}-${n}`, random));
    }
    q += 1 + random(30 * minute);
    await driver.advanceTo(q);
    await driver.output(step.topic).drain();
    const asked = { ...paymentAt(q, `q${round}`, random), amount: 1 + random(100) };
    const { note: _, known: __, ...needed } = asked;
    const [served] = await predictions
      .step("scores", null)
      .predict(
        [needed],
        { asker: { requestId: "", user: null }, deadlineMs: null, failsLate: true },
        String,
      );
    input.send(asked);
    await driver.advanceTo(q + 1);
    const made = await driver.output(step.topic).drain();
    const ours = made.find(({ key }) => key === asked.paymentId);
    const features = ours?.value["features"] as Record<string, number | null>;
    assert.deepEqual(
      Array.from(served?.features ?? []),
      step.features.map((name) => features[name] ?? Number.NaN),
      `round ${round}`,
    );
    assert.equal(served?.id, asked.paymentId);
    // The stream has no model here: what depends on none is the same.
    const told = (each: Readonly<Record<string, unknown>> | null | undefined) =>
      ["rule", "decidedBy", "flags"].map((name) => each?.[name]);
    assert.deepEqual(told(served?.told), told(ours?.value));
    for (const each of told(served?.told)) rules.add(each);
    missing += served?.features.filter(Number.isNaN).length ?? 0;
    if (served?.fallbackReason !== "out of range") {
      vectors.push(served?.features as Float64Array);
      probabilities.push(served?.told?.score ?? Number.NaN);
    }
    q += 1;
  }
  assert.ok(missing > 10, "some features were missing");
  for (const each of [null, "far", "large", "any", "amount", "card_payments_1h"]) {
    assert.ok(rules.has(each), `${each}: ${[...rules].join("; ")}`);
  }
  // The service of the stream scores by a pool of its own, all rows at once.
  const artifacts = world.artifacts("stream").of(plan.name);
  const sha256 = await artifacts.put(fittedModel("parity", step.features));
  const pool = createScoringPool({ artifacts });
  const n = vectors.length;
  const scored = await pool.score({
    ...{ versions: ["r1"], artifacts: [sha256], versionOf: new Uint16Array(n) },
    ...{ rows: Float64Array.from(vectors.flatMap((each) => [...each])) },
    ...{ features: step.features.length, sourcePartitions: new Uint16Array(n) },
    ...{ sourceOffsets: new Float64Array(n), putAside: [], asksNews: false, heard: 0, knownAt: 0 },
  });
  assert.deepEqual(probabilities, [...scored.probabilities]);
  assert.ok(new Set(probabilities).size > 20, "the model tells them apart");
  await pool.close();
  await predictions.close();
  await driver.close();
});

function paymentAt(paidAt: number, paymentId: string, random: (n: number) => number): Payment {
  const country = [null, "de", "fr", "it"][random(4)] ?? null;
  const amount = random(100) - 5;
  const more = { card: `c${random(6)}`, shop: `s|${random(2)}`, known: random(2) === 0, note: "x" };
  return { paymentId, paidAt, country, amount, ...more };
}
