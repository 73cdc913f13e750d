import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { MillraceError } from "../../schemas/errors.ts";
import { servedTopic } from "../../schemas/topic-names.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { startPumps } from "../hosting/pumps.ts";
import { offlineTables } from "../offline/tables.ts";
import { type PredictWorld, plan, predictWorld, step } from "./predict-fixture.ts";
import { Predictions } from "./predictions.ts";

let world: PredictWorld;
before(async () => {
  world = await predictWorld();
});
after(() => world.close());

const table = `raw_${step.name}_served`;
const record = { card: "c1", shop: "s", country: "fr", amount: 60 };

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 4_000; i++) {
    if (isSo()) return;
    await wait(5);
  }
  assert.fail(`waited too long for ${what}`);
}

test("every prediction that was answered stands in the table once, though the store was away", async (t) => {
  const online = createMemoryOnlineStore();
  const stack = { ...world, online, artifacts: world.artifacts("one") };
  const predictions = new Predictions([plan], stack, { logs: true });
  const version = await world.promote("log");
  const offline = createMemoryOfflineStore();
  await offline.migrate(offlineTables(plan), []);
  let refused = 0;
  let isAway = true;
  const insert = offline.insert.bind(offline);
  // Away at first; then each block is stored, and the answer is lost once.
  const lost = new Set<string>();
  offline.insert = async (block) => {
    const away = () => new MillraceError("OFFLINE_UNAVAILABLE", { reason: "away", where: "test" });
    if (isAway) {
      refused++;
      throw away();
    }
    await insert(block);
    if (lost.has(block.token)) return;
    lost.add(block.token);
    throw away();
  };
  const pumps = await startPumps(plan, { ...world, online, offline }, () => {});
  t.after(async () => {
    await Promise.all(pumps.map((pump) => pump.stop()));
    await predictions.close();
  });
  const answered = new Map<string, { probability: number; features: Float64Array }>();
  const ask = async (request: number) => {
    const records = Array.from({ length: 1 + (request % 3) }, (_, n) => {
      return { ...record, paymentId: `p${request}-${n}` };
    });
    const asker = { requestId: `r${request}`, user: "key" };
    const how = { asker, deadlineMs: null, failsLate: false };
    const made = await predictions.step(step.name, null).predict(records, how, String);
    for (const { id, probability, features } of made) answered.set(id, { probability, features });
  };
  for (let request = 0; request < 100; request += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, n) => ask(request + n)));
  }
  await until("an insert", () => refused > 0);
  assert.deepEqual(offline.rows(table), []);
  isAway = false;
  await until("the rows", () => offline.rows(table).length >= answered.size);
  await Promise.all(pumps.map((pump) => pump.drain()));
  const rows = offline.rows(table);
  assert.equal(rows.length, answered.size);
  for (const row of rows) {
    const made = answered.get(String(row["payment_id"]));
    assert.equal(row["probability"], made?.probability);
    assert.deepEqual(
      step.features.map((name) => row[name] ?? Number.NaN),
      Array.from(made?.features ?? []),
    );
    const { version: by, origin, caller, status, topic } = row as Record<string, unknown>;
    assert.deepEqual([by, origin, caller, status], [version, "gateway", "key", "MISSING"]);
    if (topic !== undefined) assert.equal(topic, servedTopic(plan.name, step.name));
    assert.match(String(row["request_id"]), /^r\d+$/);
  }
  assert.equal(new Set(rows.map((row) => row["payment_id"])).size, rows.length);
});

test("what Kafka does not acknowledge is no prediction; nothing is logged but where it is asked for", async () => {
  const online = createMemoryOnlineStore();
  const broker = {
    ...{ kind: world.broker.kind, close: async () => {} },
    ...bound(world.broker, "createTopics", "listOffsets", "fetch"),
    producer: async () => {
      throw new MillraceError("BROKER_UNAVAILABLE", { reason: "away" } as never);
    },
  } as unknown as typeof world.broker;
  const stack = { ...world, broker, online, artifacts: world.artifacts("two") };
  const how = { asker: { requestId: "", user: null }, deadlineMs: null, failsLate: false };
  const logging = new Predictions([plan], stack, { logs: true });
  await assert.rejects(logging.step(step.name, null).predict([record], how, String), {
    code: "BROKER_UNAVAILABLE",
  });
  const silent = new Predictions([plan], stack);
  assert.equal((await silent.step(step.name, null).predict([record], how, String)).length, 1);
  await logging.close();
  await silent.close();
});

function bound<Of extends object, Name extends keyof Of>(of: Of, ...names: Name[]): Pick<Of, Name> {
  return Object.fromEntries(
    names.map((name) => [name, (of[name] as () => unknown).bind(of)]),
  ) as never;
}
