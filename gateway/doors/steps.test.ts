import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  type PredictWorld,
  payment,
  plan,
  predictWorld,
  step,
} from "../../runtime/predict/predict-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { offline, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { ask, countedStores, openTestGateway, posting } from "../gateway-fixture.ts";
import { hashOf, newKey, type Scope } from "../keys/api-key.ts";
import type { Gateway } from "../open-gateway.ts";
import { predictDoor } from "./predict.ts";
import { stepDoors } from "./steps.ts";

const all = from("refunds", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");
const stored = all
  .keyedBy("card")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("stored@1", { ttl: "1d" })
  .into(offline);
const streamed = all
  .enrichedWith({ card: stored.at("card") }, { missing: "null", request: { amount: "amount" } })
  .scoredBy("refund", { model: "@champion", deadline: "1s", fallback: prior(0.2) })
  .into(topic("refunds.scores"), offline);
/** Its view is not in the online store. */
const refunds = topology("refunds", { streamed }, { partitions: 1 });

const { online } = countedStores();
const keys = new Map(
  (["read", "predict", "admin"] as const).map((scope) => [scope, newKey()] as const),
);
let world: PredictWorld;
let predictions: Predictions;
let gateway: Gateway;
let locked: Gateway;
before(async () => {
  world = await predictWorld();
  const stack = { ...world, online, artifacts: world.artifacts("steps") };
  predictions = new Predictions([plan, refunds], stack);
  const doors = [...stepDoors(predictions), predictDoor(predictions)];
  gateway = await openTestGateway(doors);
  const byId = new Map(
    [...keys].map(([scope, { id, key }]) => {
      const scopes: readonly Scope[] = [scope];
      const facts = { rate: null, burst: 1, revoked: null, created: "" };
      return [id, { id, name: scope, sha256: hashOf(key), scopes, ...facts }];
    }),
  );
  locked = await openTestGateway(doors, { keys: () => ({ byId, isLocked: true }) });
});
after(async () => {
  await gateway.close();
  await locked.close();
  await predictions.close();
  await world.close();
});

test("all steps are listed, with why one cannot be asked", async () => {
  const { status, body } = await ask(`${gateway.url}/v1/predict`);
  const reason =
    "streamed gives predictions in the stream alone: it looks up stored@1, which is not in the online store: write it into(online).";
  assert.deepEqual(
    [status, body],
    [
      200,
      {
        steps: [
          { topology: "cards", step: "scores", model: "fraud", unserved: null },
          { topology: "refunds", step: "streamed", model: "refund", unserved: reason },
        ],
      },
    ],
  );
});

test("a step is described: what it takes, looks up and answers by", async () => {
  const { status, body } = await ask(`${gateway.url}/v1/predict/scores?topology=cards`);
  assert.equal(status, 200, JSON.stringify(body));
  const { record, lookups, request, features, ...rest } = body;
  assert.deepEqual(rest, {
    ...{ topology: "cards", step: "scores", source: "payments" },
    model: { name: "fraud", alias: "champion" },
    ...{ routing: null, deadlineMs: 5_000, explains: false },
    fallback: { probability: 0.1, previous: true },
    rules: [
      { name: "stolen", kind: "blockList" },
      { name: "far", kind: "override" },
      { name: "large", kind: "threshold" },
      { name: "any", kind: "threshold" },
    ],
    ranges: [
      { feature: "card_payments_1h", min: null, max: 1, outside: "flag" },
      { feature: "amount", min: null, max: 90, outside: "refuse" },
    ],
  });
  const told = (record as { field: string; type: string; role: string | null }[]).map((each) => [
    ...[each.field, each.type, each.role],
  ]);
  assert.deepEqual(told, [
    ["paymentId", "text", "id"],
    ["paidAt", "timestamp", "time"],
    ["card", "text", null],
    ["country", "text", null],
    ["amount", "number", null],
    ["known", "boolean", null],
    ["shop", "text", null],
    ["note", "text", null],
  ]);
  assert.deepEqual(features, step.features);
  const [card, there] = lookups as { features: string[] }[];
  assert.deepEqual(
    (lookups as { slot: string; view: string; keyFields: string[] }[]).map((each) => [
      ...[each.slot, each.view, each.keyFields],
    ]),
    [
      ["card", "cards@1", ["card"]],
      ["there", "shops@1", ["card", "shop"]],
    ],
  );
  assert.deepEqual(there?.features, ["there_payments_3h", "there_largest_3h"]);
  const own = (request as { feature: string }[]).map(({ feature }) => feature);
  assert.deepEqual([...(card?.features ?? []), ...(there?.features ?? []), ...own], features);
});

test("a record is refused without a field exactly where the description says so", async () => {
  const { body: described } = await ask(`${gateway.url}/v1/predict/scores`);
  const fields = described["record"] as {
    readonly field: string;
    readonly required: boolean;
    readonly used: boolean;
    readonly role: string | null;
  }[];
  const record: Record<string, unknown> = {
    ...{ paymentId: "p1", paidAt: Date.now(), card: "c1", country: "fr", amount: 60 },
    ...{ known: true, shop: "s|1", note: "" },
  };
  assert.deepEqual(
    fields.map(({ field }) => field),
    Object.keys(record),
  );
  const url = `${gateway.url}/v1/predict/scores`;
  const whole = await ask(url, posting({ record, features: true }));
  for (const { field, required, used } of fields) {
    const { [field]: _, ...without } = record;
    const { status, body } = await ask(url, posting({ record: without, features: true }));
    assert.deepEqual([field, status], [field, required ? 422 : 200]);
    if (status === 200 && !used) assert.deepEqual(body["features"], whole.body["features"], field);
  }
  const usedOnes = fields
    .filter(({ used, role }) => used && role === null)
    .map(({ field }) => field);
  assert.deepEqual(usedOnes.sort(), ["amount", "card", "country", "shop"]);
  const required = fields.filter((each) => each.required).map(({ field }) => field);
  assert.deepEqual(required, ["card", "amount", "shop"]);
});

test("a step that is none, or cannot be asked, is told as where it is asked", async () => {
  const fails = async (path: string) => {
    const { status, body } = await ask(`${gateway.url}/v1/predict/${path}`);
    return [status, body["code"]];
  };
  assert.deepEqual(await fails("score"), [404, "STEP_UNKNOWN"]);
  assert.deepEqual(await fails("scores?topology=refunds"), [404, "STEP_UNKNOWN"]);
  const posted = await ask(
    `${gateway.url}/v1/predict/streamed`,
    posting({ record: { paymentId: "p" } }),
  );
  assert.deepEqual(await fails("streamed"), [posted.status, "STEP_UNSERVED"]);
  assert.deepEqual(await fails("scores?topic=cards"), [400, "REQUEST_INVALID"]);
});

test("a key needs the scope that asks the steps", async () => {
  for (const path of ["", "/scores"]) {
    const url = `${locked.url}/v1/predict${path}`;
    assert.equal((await ask(url)).status, 401);
    for (const [scope, { key }] of keys) {
      const { status } = await ask(url, { headers: { authorization: `Bearer ${key}` } });
      assert.deepEqual([scope, status], [scope, scope === "read" ? 403 : 200]);
    }
  }
});
