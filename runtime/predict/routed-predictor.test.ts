/** Routes by the register, as the desk writes them and a gateway goes by them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MillraceError } from "../../schemas/errors.ts";
import { bucketOf, challengerOf, noRoutes } from "../../schemas/model-routes.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { offline, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { ModelNames } from "../services/models/model-names.ts";
import { type PredictWorld, payment, predictWorld } from "./predict-fixture.ts";
import { Predictions } from "./predictions.ts";

const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");
const scoredBy = (routed?: { readonly by: "card"; readonly segment?: "country" }) =>
  payments
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", {
      ...{ model: "@champion", deadline: "5s", fallback: prior(0.1) },
      ...(routed && { routed }),
    })
    .into(topic("payments.scores"), offline);
const plan = topology("cards", { scores: scoredBy({ by: "card" }) }, { partitions: 2 });
const plain = topology("cards", { scores: scoredBy() }, { partitions: 2 });
const intent = { effectiveFrom: null, by: "ann", why: "canary" };
const now = Date.UTC(2026, 0, 5);
const none = { champion: null, challengers: [], shadow: null, segment: null };

let world: PredictWorld;
before(async () => {
  world = await predictWorld(plan);
});
after(() => world.close());

function namesOf(of = plan): ModelNames {
  const store = { query: async () => [] } as unknown as OfflineStore;
  const stores = {
    broker: world.broker,
    offline: { of: () => store } as unknown as OfflineStore,
    artifacts: world.artifacts("desk"),
  };
  return new ModelNames(of, "fraud", stores, () => now);
}

async function refusal(doing: Promise<unknown>): Promise<string> {
  const error = await doing.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof MillraceError, String(error));
  return `${error.code}: ${error.message}`;
}

test("a key is answered by whom the routes name, with its role, and by the champion where that fails", async () => {
  const names = namesOf();
  for (const seed of ["one", "two"]) await world.promote(seed, { effectiveFrom: now - 2 });
  const broken = { bytes: Buffer.from("no model"), effectiveFrom: now - 2 };
  await world.promote("broken", broken);
  await names.promote("r1", intent);
  const asked = [
    { version: "r2", share: 0.4 },
    { version: "r3", share: 0.2 },
  ];
  const { routes } = await names.route({ ...none, challengers: asked }, intent);
  assert.ok(routes);
  const stack = {
    ...{ broker: world.broker, registry: world.registry, online: { read: async () => [] } },
    artifacts: world.artifacts("gateway"),
  };
  const predictions = new Predictions([plan], stack, { now: () => now + 1 });
  const records = Array.from({ length: 200 }, (_, i) => {
    return { paymentId: `p${i}`, card: `c${i}`, amount: i };
  });
  const predict = () =>
    predictions
      .step("scores", null)
      .predict(
        records,
        { asker: { requestId: "", user: null }, deadlineMs: null, failsLate: true },
        String,
      );
  const told = (await predict()).map(({ told: each, version }) => ({ ...each, version }));
  const rerouted = { failed: 0, "put aside": 0 };
  for (const [i, { role, assigned, version, bucket, ...rest }] of told.entries()) {
    const of = bucketOf("scores", `c${i}`);
    const expected: string = challengerOf(routes, of, null)?.version ?? "r1";
    assert.deepEqual([bucket, assigned], [of / 2 ** 32, expected]);
    assert.equal(version, expected === "r3" ? "r1" : expected);
    assert.equal(role, version === "r2" ? "challenger" : "champion");
    assert.equal(rest.rerouted !== null, expected === "r3");
    if (rest.rerouted) rerouted[rest.rerouted as "failed"]++;
  }
  assert.equal(rerouted.failed, 10);
  assert.ok(rerouted["put aside"] > 10);
  await predictions.close();
});

test("routes are changed upon what they were, and keys stay; what cannot be is refused", async () => {
  const names = namesOf();
  const raised = { ...none, challengers: [{ version: "r2", share: 0.5 }] };
  const change = await names.route(raised, intent);
  assert.deepEqual(
    [change.kind, change.champion, change.version, change.by, change.why, change.effectiveFrom],
    ["route", false, "r1", "ann", "canary", now],
  );
  const [before] = (await names.state()).changes.slice(-2);
  const [had] = before?.routes?.challengers ?? [];
  const [has] = change.routes?.challengers ?? [];
  assert.equal(had?.ranges[0]?.from, has?.ranges[0]?.from);
  assert.ok((has?.ranges.at(-1)?.to ?? 0) > (had?.ranges.at(-1)?.to ?? 0));
  assert.match(
    await refusal(names.route({ ...none, challengers: [{ version: "r9", share: 0.1 }] }, intent)),
    /MODEL_VERSION_UNKNOWN.*r9.*r1, r2, r3/,
  );
  assert.match(
    await refusal(namesOf(plain).route(raised, intent)),
    /MODEL_UNROUTED.*add `routed: \{ by: "<field>" \}`/,
  );
  assert.match(
    await refusal(names.route({ ...raised, segment: "DE" }, intent)),
    /MODEL_UNROUTED.*segment: "<field>"/,
  );
  assert.match(
    await refusal(names.route({ ...none, challengers: [{ version: "r1", share: 0.1 }] }, intent)),
    /MODEL_ROUTE_TO_CHAMPION.*r1 is the champion/,
  );
  // It says that it ends them; another has none to end.
  assert.deepEqual((await names.promote("r2", intent)).routes, noRoutes);
  assert.equal((await names.promote("r1", intent)).routes, undefined);
});
