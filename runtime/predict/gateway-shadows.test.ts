/** Shadows beside the predictions of a gateway: behind the answer, and kept. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { committedPages } from "../../broker/committed-records.ts";
import { bucketOf, isSampled } from "../../schemas/model-routes.ts";
import { servedTopic, shadowsTopic } from "../../schemas/topic-names.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { offline, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { AvroDecoder } from "../schema-registry/avro-codec.ts";
import { ModelNames } from "../services/models/model-names.ts";
import { type PredictWorld, payment, predictWorld } from "./predict-fixture.ts";
import { Predictions, type PredictionsOptions } from "./predictions.ts";

const scores = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId")
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
  .scoredBy("fraud", {
    ...{ model: "@champion", deadline: "5s", fallback: prior(0.1), routed: { by: "card" } },
  })
  .into(topic("payments.scores"), offline);
const plan = topology("cards", { scores }, { partitions: 2 });
const now = Date.UTC(2026, 0, 5);

let world: PredictWorld;
before(async () => {
  world = await predictWorld(plan);
  for (const seed of ["one", "two"]) await world.promote(seed, { effectiveFrom: now - 2 });
  const broken = { bytes: Buffer.from("no model"), effectiveFrom: now - 2 };
  await world.promote("broken", broken);
});
after(() => world.close());

function namesOf(): ModelNames {
  const store = { query: async () => [] } as unknown as OfflineStore;
  const stores = {
    broker: world.broker,
    offline: { of: () => store } as unknown as OfflineStore,
    artifacts: world.artifacts("desk"),
  };
  return new ModelNames(plan, "fraud", stores, () => now);
}

async function shadowed(version: string, share: number): Promise<void> {
  const intent = { effectiveFrom: null, by: "ann", why: "beside" };
  const names = namesOf();
  await names.promote("r1", intent);
  const shadow = { version, share };
  await names.route({ champion: null, challengers: [], shadow, segment: null }, intent);
}

let instants = 0;
/** A gateway; each looks a little later, for what was said before it. */
function gateway(options: PredictionsOptions = {}, artifacts = world.artifacts("gateway")) {
  const at = now + ++instants;
  const stack = {
    ...{ broker: world.broker, registry: world.registry, online: { read: async () => [] } },
    artifacts,
  };
  return new Predictions([plan], stack, { now: () => at, logs: true, ...options });
}

function asked(of: string, count: number) {
  return Array.from({ length: count }, (_, i) => ({
    paymentId: `${of}${i}`,
    card: "c",
    amount: i,
  }));
}

function predict(predictions: Predictions, records: readonly object[]) {
  const how = { asker: { requestId: "q", user: null }, deadlineMs: null, failsLate: true };
  return predictions.step("scores", null).predict(records, how, String);
}

type Row = Readonly<Record<string, unknown>>;

/** Records of a topic whose id begins so, by their id. */
async function read(name: string, of: string): Promise<Map<string, Row>> {
  const latest = await world.registry.latest(`${name}-value`);
  const rows = new Map<string, Row>();
  if (latest === null) return rows;
  const decoder = new AvroDecoder(world.registry, latest.schema);
  for (const partition of [0, 1]) {
    for await (const page of committedPages(world.broker, name, partition)) {
      for (const { value } of page) {
        assert.ok(value);
        const row: Row = { ...(await decoder.decodeAwaiting(value, 0, value.length)) };
        const id = String(row["paymentId"]);
        if (!id.startsWith(of)) continue;
        assert.ok(!rows.has(id), `${id} stands once`);
        rows.set(id, row);
      }
    }
  }
  return rows;
}

const topics = [servedTopic, shadowsTopic].map((of) => of(plan.name, "scores"));
const [servedName = "", shadowsName = ""] = topics;

test("a shadow scores its sample as if it answered, and each stands beside what was answered", async () => {
  await shadowed("r2", 0.4);
  const counted = new Map<string, number>();
  const predictions = gateway({
    shadowed: (step, version, result, rows) => {
      const what = `${step} ${version} ${result}`;
      counted.set(what, (counted.get(what) ?? 0) + rows);
    },
  });
  const records = asked("a", 300);
  const answered = await predict(predictions, records);
  await predictions.close();
  const sample = records.filter(({ paymentId }) =>
    isSampled(bucketOf("scores/shadow", paymentId), 0.4),
  );
  const beside = await read(shadowsName, "a");
  assert.deepEqual([...beside.keys()].sort(), sample.map(({ paymentId }) => paymentId).sort());
  assert.deepEqual([...counted], [["scores r2 scored", sample.length]]);
  await namesOf().promote("r2", { effectiveFrom: null, by: "ann", why: "" });
  const other = gateway({ logs: false });
  const own = await predict(other, records);
  await other.close();
  for (const [i, { id, probability, version }] of answered.entries()) {
    assert.equal(version, "r1");
    const row = beside.get(id);
    if (row === undefined) continue;
    assert.equal(row["shadowScore"], own[i]?.probability);
    assert.deepEqual(
      [row["shadowVersion"], row["version"], row["probability"], row["role"], row["requestId"]],
      ["r2", "r1", probability, "champion", "q"],
    );
  }
  const served = await read(servedName, "a");
  assert.equal(served.size, records.length);
});

test("no answer waits for a shadow, whatever keeps that", async () => {
  await shadowed("r2", 1);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let holds = 0;
  const artifacts = world.artifacts("slow");
  const slow = {
    of: (name: string) => {
      const store = artifacts.of(name);
      return {
        ...store,
        ensure: async (sha256: string) => {
          // The champion is loaded first.
          if (holds++ > 0) await held;
          await store.ensure(sha256);
        },
      };
    },
  };
  const predictions = gateway({}, slow);
  const answered = await predict(predictions, asked("w", 20));
  assert.equal(answered.length, 20);
  assert.equal((await read(servedName, "w")).size, 20);
  assert.equal((await read(shadowsName, "w")).size, 0);
  release();
  await predictions.close();
  assert.equal((await read(shadowsName, "w")).size, 20);
});

test("a shadow that fails at ten rows in a row is put aside, and the champion answers on", async () => {
  await shadowed("r3", 1);
  const counted = new Map<string, number>();
  const warned: string[] = [];
  const predictions = gateway({
    shadowed: (_, version, result, rows) => {
      const what = `${version} ${result}`;
      counted.set(what, (counted.get(what) ?? 0) + rows);
    },
    warn: (message) => warned.push(message),
  });
  // More than go to it together: some wait while it is put aside.
  const answered = await predict(predictions, asked("f", 75));
  assert.ok(answered.every(({ version }) => version === "r1"));
  await predictions.step("scores", null).shadows.close();
  assert.deepEqual(Object.fromEntries(counted), { "r3 failed": 10, "r3 aside": 65 });
  assert.ok(warned.includes("a model is put aside until the next one"));
  await predict(predictions, asked("g", 25));
  await predictions.close();
  assert.deepEqual(Object.fromEntries(counted), { "r3 failed": 10, "r3 aside": 90 });
  const rows = [...(await read(shadowsName, "f")).values()];
  assert.deepEqual([...new Set(rows.map((row) => row["shadowScore"]))], [null]);
  assert.equal(rows.length, 10);
});

test("what there is no room for is dropped and counted, and every answer comes", async () => {
  await shadowed("r2", 1);
  const counted = new Map<string, number>();
  const predictions = gateway({
    shadowed: (_, __, result, rows) => counted.set(result, (counted.get(result) ?? 0) + rows),
  });
  const many = await Promise.all(
    ["x", "y", "z"].map((of) => predict(predictions, asked(of, 1_000))),
  );
  assert.equal(many.flat().length, 3_000);
  await predictions.close();
  const all = [...counted.values()].reduce((sum, rows) => sum + rows, 0);
  assert.equal(all, 3_000);
  assert.ok((counted.get("dropped") ?? 0) > 0);
  const kept = await Promise.all(["x", "y", "z"].map((of) => read(shadowsName, of)));
  assert.equal(
    kept.reduce((sum, { size }) => sum + size, 0),
    counted.get("scored"),
  );
});
