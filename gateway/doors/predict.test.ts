import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import {
  fittedModel,
  type PredictWorld,
  plan,
  predictWorld,
  step,
} from "../../runtime/predict/predict-fixture.ts";
import { Predictions, type PredictionsOptions } from "../../runtime/predict/predictions.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { entityKey, type FeatureViewSpec, valueLayout } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { ask, countedStores, openTestGateway, posting } from "../gateway-fixture.ts";
import type { Gateway } from "../open-gateway.ts";
import { predictDoor } from "./predict.ts";

const { online } = countedStores();
let world: PredictWorld;
const open: (() => Promise<void>)[] = [];

before(async () => {
  world = await predictWorld();
  const [cards, shops] = stepsOf(plan, "view") as [FeatureViewSpec, FeatureViewSpec];
  const store = onlineStoreOf(online, plan.name);
  const now = Date.now();
  const facts = { served: 0, asOf: now - 60_000, seq: 0, validUntil: now + 3_600_000 };
  const others = new ByteWriter();
  new RowCodec(valueLayout(cards)).writeValues(others, ["de", "de", true, true]);
  const numbers = Float64Array.of(2, 5, 10, 20, 11, 21, now - 60_000, now - 60_000);
  for (const [view, key, row] of [
    [cards, ["c1"], { ...facts, values: numbers, others: others.take() }],
    [shops, ["c1", "s|1"], { ...facts, values: Float64Array.of(4, 99) }],
  ] as const) {
    const text = entityKey(key);
    const partition = partitionOf(text, plan.partitions);
    const rows = [{ entityKey: text, offset: 1, row }];
    const of = { topicId: "1", nextOffset: 5, partition, progress: Date.now() + 3_600_000 };
    await store.write({ ...of, view: `${view.name}@1`, rows });
  }
});
after(async () => {
  for (const close of open.reverse()) await close();
  await world.close();
});

/** A gateway on a machine of its own, with what it predicts by. */
async function gatewayOn(
  machine: string,
  options: PredictionsOptions = {},
  store: Pick<typeof online, "read"> = online,
): Promise<Gateway> {
  const stack = { ...world, online: store, artifacts: world.artifacts(machine) };
  const predictions = new Predictions([plan], stack, options);
  const gateway = await openTestGateway([predictDoor(predictions)]);
  open.push(async () => {
    await gateway.close();
    await predictions.close();
  });
  return gateway;
}

const record = { paymentId: "p1", card: "c1", shop: "s|1", country: "fr", amount: 60 };

async function predict(gateway: Gateway, body: object, of = "scores") {
  return await ask(`${gateway.url}/v1/predict/${of}`, posting(body));
}

test("without a model the fallback answers, and says why; features are told when asked for", async () => {
  const gateway = await gatewayOn("first");
  const before = online.reads;
  const { status, body } = await predict(gateway, { record, features: true });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(online.reads, before + 1, "one round trip");
  const { features, lookedUp, predictedAt, ...rest } = body;
  assert.deepEqual(rest, {
    ...{ topology: "cards", step: "scores", model: "fraud", id: "p1", probability: 0.1 },
    ...{ version: null, fallbackReason: "no model", latencyMs: 0 },
    // The step has rules and ranges.
    ...{ score: 0.1, rule: null, decision: false, decidedBy: "large" },
    flags: ["card_payments_1h"],
  });
  assert.deepEqual(Object.keys(features as object), step.features);
  const told = features as Record<string, number>;
  assert.deepEqual(
    ["card_payments_1h", "card_mean_3h", "card_was_known_1h", "there_largest_3h"].map(
      (n) => told[n],
    ),
    [2, 20, 1, 99],
  );
  assert.deepEqual([told["nation_fr"], told["large"], told["last_de"]], [1, 1, 1]);
  assert.ok((told["card_since_1h"] ?? 0) >= 60_000 && Number(predictedAt) > 0);
  const [card, there] = lookedUp as { slot: string; key: string; status: string }[];
  assert.deepEqual([card?.slot, card?.key, card?.status], ["card", "c1", "FRESH"]);
  assert.deepEqual([there?.slot, there?.key], ["there", "c1|s\\|1"]);
});

test("of many records all are answered, in their order; ids that they do not bring are new", async () => {
  const gateway = await gatewayOn("first");
  const { paymentId: _, ...unnamed } = record;
  const records = [record, { ...unnamed, card: "nobody" }, unnamed];
  const before = online.reads;
  const { body } = await predict(gateway, { records, features: true });
  assert.equal(online.reads, before + 1, "one round trip");
  const made = body["predictions"] as { id: string; lookedUp: { status: string }[] }[];
  assert.deepEqual(
    made.map(({ lookedUp: [card] }) => card?.status),
    ["FRESH", "MISSING", "FRESH"],
  );
  const [first, second, third] = made.map(({ id }) => id);
  assert.equal(first, "p1");
  assert.match(second ?? "", /^[0-9a-f-]{36}$/);
  assert.notEqual(second, third);
});

test("what cannot be scored is refused with its place", async () => {
  const gateway = await gatewayOn("first");
  const { shop: _, ...shopless } = record;
  const cases: readonly [object, number, string, RegExp][] = [
    [{ record: shopless }, 422, "RECORD_REFUSED", /^body.record cannot.* shop is missing/],
    [
      { records: [record, { ...record, amount: "60" }], allOrNone: true },
      422,
      "RECORD_REFUSED",
      /records\[1\].*amount is "60", not a number/,
    ],
    [{ record: { ...record, known: 1 } }, 422, "RECORD_REFUSED", /known is 1, not true or false/],
    [{ record: { ...record, card: null } }, 422, "RECORD_REFUSED", /card is null/],
    [
      { record: { ...record, contry: "de" } },
      422,
      "RECORD_REFUSED",
      /"contry" is no field of it \(did you mean country\?\)/,
    ],
    [
      { record: Object.fromEntries([...Object.entries(record), ["__proto__", 1]]) },
      422,
      "RECORD_REFUSED",
      /"__proto__" is no field of it/,
    ],
    [
      { record: { ...record, paidAt: "yesterday" } },
      422,
      "RECORD_REFUSED",
      /paidAt is "yesterday", not a time/,
    ],
    [{ record: { ...record, card: "x".repeat(2_000) } }, 422, "RECORD_REFUSED", /1024 bytes/],
    [{ record: { ...record, amount: -1 } }, 422, "RECORD_EXCLUDED", /leaves out/],
    [{}, 400, "REQUEST_INVALID", /give one record, or records/],
    [{ record, records: [record] }, 400, "REQUEST_INVALID", /give one record/],
    [{ record, deadlineMs: 0 }, 400, "REQUEST_INVALID", /body.deadlineMs/],
    [{ record, priority: "urgent" }, 400, "REQUEST_INVALID", /body.priority/],
    [{ record, fast: true }, 400, "REQUEST_INVALID", /fast/],
  ];
  for (const [body, status, code, message] of cases) {
    const answer = await predict(gateway, body);
    assert.deepEqual(
      [answer.status, answer.body["code"]],
      [status, code],
      JSON.stringify(answer.body),
    );
    assert.match(String(answer.body["message"]), message);
  }
  const unknown = await predict(gateway, { record }, "score");
  assert.deepEqual([unknown.status, unknown.body["code"]], [404, "STEP_UNKNOWN"]);
  assert.match(String(unknown.body["message"]), /did you mean scores\?/);
  const other = await predict(gateway, { record, topology: "card" });
  assert.equal(other.body["code"], "STEP_UNKNOWN");
});

test("of many records those that cannot be scored have their errors, the others their answers", async () => {
  const predicted: string[] = [];
  const gateway = await gatewayOn("partial", {
    predicted: (of, { fallbackReason }) => predicted.push(`${of} ${fallbackReason}`),
  });
  const wrong = [{ ...record, amount: "60" }, { ...record, amount: -1 }, 7, null];
  const large = { ...record, card: "x".repeat(2_000) };
  const strange = { ...record, contry: "de" };
  const last = { ...record, paymentId: "p2" };
  const records = [record, ...wrong, large, strange, last];
  const before = online.reads;
  const { status, body } = await predict(gateway, { records });
  assert.equal(online.reads, before + 1, "one round trip");
  assert.deepEqual([status, body["answered"], body["refused"]], [207, 2, 6]);
  const told = body["predictions"] as Record<string, unknown>[];
  assert.deepEqual(
    told.map(({ id, index, code }) => id ?? `${index} ${code}`),
    [
      ...["p1", "1 RECORD_REFUSED", "2 RECORD_EXCLUDED", "3 RECORD_REFUSED", "4 RECORD_REFUSED"],
      ...["5 RECORD_REFUSED", "6 RECORD_REFUSED", "p2"],
    ],
  );
  assert.match(String(told[1]?.["reason"]), /^body.records\[1\] cannot.*amount is "60"/);
  assert.equal(predicted.length, 2, "what is refused is no prediction, and not logged");
  const counted = await gateway.metrics.registry.metrics();
  assert.match(counted, /errors_total\{code="RECORD_REFUSED"\} 5$/m);
  assert.match(counted, /errors_total\{code="RECORD_EXCLUDED"\} 1$/m);
  const alone = (await predict(gateway, { record: last })).body;
  assert.equal(told[7]?.["probability"], alone["probability"]);

  const none = await predict(gateway, { records: wrong });
  assert.deepEqual([none.status, none.body["answered"], none.body["refused"]], [422, 0, 4]);
  assert.equal((none.body["predictions"] as unknown[]).length, 4);
  const all = await predict(gateway, { records: [record, last], allOrNone: true });
  assert.deepEqual([all.status, all.body["answered"], all.body["refused"]], [200, 2, 0]);
  predicted.length = 0;
  const strict = await predict(gateway, { records, allOrNone: true });
  assert.deepEqual([strict.status, strict.body["code"]], [422, "RECORD_REFUSED"]);
  assert.deepEqual(predicted, []);
});

/** What each gateway answers first by a version, and how long after now. */
async function answeredBy(gateways: readonly Gateway[], version: string) {
  const since = performance.now();
  return await Promise.all(
    gateways.map(async (gateway) => {
      for (;;) {
        const { body } = await predict(gateway, { record });
        const ms = performance.now() - since;
        if (body["version"] === version) return { ms, probability: body["probability"] };
        assert.ok(ms < 20_000, "it never answers");
        await wait(5);
      }
    }),
  );
}

test("two gateways answer by a champion within a second of its promotion", async (t) => {
  const gateways = [await gatewayOn("east"), await gatewayOn("west")];
  for (const each of gateways) assert.equal((await predict(each, { record })).status, 200);
  // Threads that score for the first time load their library first.
  await world.promote("before");
  await answeredBy(gateways, "r1");
  const version = await world.promote("both");
  const [east, west] = await answeredBy(gateways, version);
  t.diagnostic(`${east?.ms.toFixed(0)} and ${west?.ms.toFixed(0)} ms after the promotion`);
  // One feature is the time since a payment, and they were asked at different ms.
  assert.ok(Math.abs(Number(east?.probability) - Number(west?.probability)) < 1e-4);
  assert.ok(Math.max(east?.ms ?? 9e9, west?.ms ?? 9e9) < 1_000);
});

test("what there is no room for is answered by the fallback where the gateway is told so", async () => {
  const shed: string[] = [];
  const gateway = await gatewayOn("busy", {
    ...{ delayMs: 1_000, waitingRows: 1, whenBusy: "degrade" },
    shed: (policy, rows) => shed.push(`${policy} ${rows}`),
  });
  for (let version: unknown = null; version === null; ) {
    const { body } = await predict(gateway, { record, deadlineMs: 600_000 });
    version = body["version"];
  }
  assert.deepEqual(shed, []);
  const asked = Array.from({ length: 4 }, () =>
    predict(gateway, { record, priority: "high", deadlineMs: 600_000, late: "error" }),
  );
  const reasons = (await Promise.all(asked)).map(({ body }) => body["fallbackReason"]);
  assert.deepEqual(reasons.sort(), ["busy", "busy", "busy", null]);
  assert.deepEqual(shed, ["degrade 1", "degrade 1", "degrade 1"]);
});

test("a score is explained by its features, the fallback's is not", async () => {
  const gateway = await gatewayOn("east");
  // Its amount is out of range: the fallback answers.
  const records = [record, { ...record, amount: 95 }];
  const { body } = await predict(gateway, { records, explain: true });
  const [made, refused] = body["predictions"] as {
    score: number;
    fallbackReason: string | null;
    explanation: { expected: number; contributions: object; of: string; by: string } | null;
    explanationReason?: string;
  }[];
  const { expected, contributions, of, by } = made?.explanation ?? {
    ...{ expected: Number.NaN, contributions: {}, of: "", by: "" },
  };
  // The built-in trainer's model: a logistic regression of what it scales.
  assert.deepEqual([of, by], ["margin", "coefficients"]);
  assert.deepEqual(Object.keys(contributions), step.features);
  const margin = Object.values<number>({ ...contributions }).reduce(
    (sum, each) => sum + each,
    expected,
  );
  assert.ok(Math.abs(1 / (1 + Math.exp(-margin)) - (made?.score ?? 0)) < 1e-6, String(margin));
  assert.equal(refused?.fallbackReason, "out of range");
  assert.equal(refused?.explanation, null);
  assert.match(refused?.explanationReason ?? "", /the fallback answered/);
  const plain = await predict(gateway, { record });
  assert.equal("explanation" in plain.body, false);
  const many = { records: new Array(101).fill(record), explain: true };
  const { status, body: told } = await predict(gateway, many);
  assert.equal(status, 400);
  assert.match(String(told["message"]), /body.records.* up to 100/);
});

test("a gateway is ready once its threads have loaded the champions, before anybody asks", async () => {
  const version = await world.promote("ready");
  let fetched = 0;
  let fetch = () => {};
  const held = new Promise<void>((resolve) => {
    fetch = resolve;
  });
  const own = world.artifacts("ready");
  const artifacts: typeof own = {
    of: (name) => {
      const store = own.of(name);
      return {
        ...store,
        ensure: async (sha256) => {
          fetched++;
          await held;
          return await store.ensure(sha256);
        },
      };
    },
  };
  const predictions = new Predictions([plan], { ...world, online, artifacts });
  const waitingFor = () => predictions.waitingFor;
  const gateway = await openTestGateway([predictDoor(predictions)], { waitingFor });
  open.push(async () => {
    await gateway.close();
    await predictions.close();
  });
  const warmed = predictions.warm();
  const early = await ask(`${gateway.url}/health/ready`);
  assert.deepEqual([early.status, early.body], [503, { waitingFor: ["its models"] }]);
  fetch();
  await warmed;
  assert.equal((await ask(`${gateway.url}/health/ready`)).status, 200);
  assert.equal(fetched, 1);
  const { body } = await predict(gateway, { record, deadlineMs: 500 });
  assert.deepEqual([body["version"], fetched], [version, 1]);
});

test("a deadline is kept: the fallback answers, or it is 504", async () => {
  const hanging = { read: () => new Promise<never>(() => {}) };
  const gateway = await gatewayOn("late", {}, hanging);
  const fallback = await predict(gateway, { record, deadlineMs: 30, features: true });
  assert.equal(fallback.status, 200, JSON.stringify(fallback.body));
  const { fallbackReason, probability, lookedUp } = fallback.body;
  assert.deepEqual([fallbackReason, probability, lookedUp], ["late", 0.1, []]);
  const error = await predict(gateway, { record, deadlineMs: 30, late: "error" });
  assert.deepEqual([error.status, error.body["code"]], [504, "PREDICTION_LATE"]);
  const wrong = { ...record, amount: "60" };
  const each = await predict(gateway, { records: [record, wrong], deadlineMs: 30, late: "error" });
  const codes = (each.body["predictions"] as { code: string }[]).map(({ code }) => code);
  assert.deepEqual([each.status, ...codes], [504, "PREDICTION_LATE", "RECORD_REFUSED"]);
});

test("a model that fails is put aside, and the one before it answers", async () => {
  const warned: string[] = [];
  const gateway = await gatewayOn("failing", { warn: (message) => warned.push(message) });
  const good = (await predict(gateway, { record })).body;
  assert.notEqual(good["version"], null);
  // It answers of another number of features: each row fails.
  const bytes = fittedModel("odd", ["a", "b"]);
  const bad = await world.promote("odd", { bytes });
  for (;;) {
    const { body } = await predict(gateway, { record });
    if (body["fallbackReason"] === "failed") break;
    assert.equal(body["version"], good["version"]);
    await wait(5);
  }
  const records = Array.from({ length: 20 }, () => record);
  const { body } = await predict(gateway, { records });
  const made = body["predictions"] as { version: string | null; fallbackReason: string | null }[];
  const reasons = made.map((each) => each.fallbackReason ?? each.version);
  assert.deepEqual(
    reasons,
    Array.from({ length: 20 }, (_, i) => (i < 9 ? "failed" : good["version"])),
    `${bad} is put aside after ten rows in a row`,
  );
  const after = (await predict(gateway, { record })).body;
  assert.equal(after["version"], good["version"]);
  assert.ok(Math.abs(Number(after["probability"]) - Number(good["probability"])) < 1e-4);
  assert.deepEqual(warned, [
    "a model fails; the fallback answers",
    "a model is put aside until the next one; the fallback answers",
  ]);
});
