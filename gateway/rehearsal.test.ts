import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  fittedModel,
  type PredictWorld,
  plan,
  predictWorld,
  step,
} from "../runtime/predict/predict-fixture.ts";
import { Predictions, type PredictionsOptions } from "../runtime/predict/predictions.ts";
import { hangingModel } from "../runtime/services/score/hanging-model-fixture.ts";
import { countedStores, usualLimits } from "./gateway-fixture.ts";
import { beginRehearsal } from "./rehearsal.ts";

let world: PredictWorld;
before(async () => {
  world = await predictWorld();
});
after(() => world.close());

const record = { paymentId: "p1", card: "c1", shop: "s|1", country: "fr", amount: 60 };
const asked = { asker: { requestId: "r", user: null }, deadlineMs: null, failsLate: false };

/** What somebody hears of predictions, and what is sent or made on the broker. */
function heard() {
  const told: string[] = [];
  const tell = (what: string) => () => void told.push(what);
  const options: PredictionsOptions = {
    ...{ logs: true, batched: tell("batched"), shed: tell("shed"), abandoned: tell("abandoned") },
    ...{ hung: tell("hung"), warn: (message) => void told.push(message), runMs: 1_000 },
    ...{ predicted: tell("predicted"), shadowed: tell("shadowed") },
  };
  const refused: Readonly<Record<string, unknown>> = {
    producer: () => Promise.reject(new Error("a producer was asked for")),
    createTopics: () => Promise.reject(new Error("a topic was made")),
  };
  const broker = new Proxy(world.broker, {
    get: (target, name) => {
      const found: unknown = refused[String(name)] ?? Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
  return { told, options, broker };
}

test("predictions are rehearsed before the gateway is ready, and nothing of them stays", async (t) => {
  const version = await world.promote("good");
  const { online } = countedStores();
  const { told, options, broker } = heard();
  const artifacts = world.artifacts("rehearsed");
  const stack = { ...world, broker, online, artifacts };
  const predictions = new Predictions([plan], stack, options);
  t.after(() => predictions.close());
  const topics = (await world.broker.describeTopics()).map(({ name }) => name);
  void predictions.warm();
  const how = { limits: usualLimits, requests: 200, warn: options.warn ?? (() => {}) };
  const rehearsal = beginRehearsal(predictions.rehearsed(), { ...how, mostMs: 60_000 });
  assert.deepEqual(rehearsal.waitingFor(), ["its rehearsal"]);
  assert.equal(await rehearsal.answered, 200);
  assert.deepEqual(rehearsal.waitingFor(), []);
  assert.equal(online.reads, 200, "the online store is read as for any prediction");
  assert.equal(told.join(), "");
  assert.deepEqual(
    (await world.broker.describeTopics()).map(({ name }) => name),
    topics,
  );
  assert.equal(predictions.waitingRows("normal") + predictions.waitingBytes, 0);
  const quiet = new Predictions([plan], { ...stack, broker: world.broker });
  t.after(() => quiet.close());
  const [made] = await quiet.step(step.name, null).predict([record], asked, String);
  assert.equal(made?.version, version);
});

test("a model that fails at all that is rehearsed is put aside for nobody", async (t) => {
  const version = await world.promote("odd", { bytes: fittedModel("odd", ["a", "b"]) });
  const { told, options } = heard();
  const { online } = countedStores();
  const stack = { ...world, online, artifacts: world.artifacts("odd") };
  const predictions = new Predictions([plan], stack, { ...options, logs: false });
  t.after(() => predictions.close());
  await predictions.warm();
  const how = { limits: usualLimits, requests: 50, mostMs: 60_000, warn: () => {} };
  const rehearsal = beginRehearsal(predictions.rehearsed(), how);
  assert.equal(await rehearsal.answered, 50, "the fallback answers");
  assert.equal(told.join(), "");
  const [made] = await predictions.step(step.name, null).predict([record], asked, String);
  assert.equal(made?.fallbackReason, "failed", "it is asked all the same");
  assert.ok(told.includes("a model fails; the fallback answers"), `${version}: ${told}`);
});

test("a model whose runs may take any time is not rehearsed", async (t) => {
  const at = step.features.indexOf("amount");
  const answer = step.features.indexOf("large");
  const bytes = hangingModel({ features: step.features.length, answer, at, above: 80 });
  await world.promote("hangs", { bytes });
  const { told, options } = heard();
  const { online } = countedStores();
  const stack = { ...world, online, artifacts: world.artifacts("hangs") };
  const predictions = new Predictions([plan], stack, options);
  t.after(() => predictions.close());
  await predictions.warm();
  const how = { limits: usualLimits, warn: () => {} };
  assert.equal(await beginRehearsal(predictions.rehearsed(), how).answered, 0);
  assert.equal(online.reads, 0);
  assert.equal(told.join(), "");
});

test("a store that fails ends the rehearsal, and one that hangs ends it in time", async (t) => {
  await world.promote("usual");
  for (const [read, requests] of [
    [() => Promise.reject(new Error("away")), 8],
    [() => new Promise<never>(() => {}), 8],
  ] as const) {
    let reads = 0;
    const online = {
      read: () => {
        reads++;
        return read();
      },
    };
    const stack = { ...world, online, artifacts: world.artifacts("away") };
    const predictions = new Predictions([plan], stack);
    t.after(() => predictions.close());
    await predictions.warm();
    const how = { limits: usualLimits, mostMs: 500, warn: () => {} };
    const rehearsal = beginRehearsal(predictions.rehearsed(), how);
    assert.equal(await rehearsal.answered, 0);
    assert.ok(reads >= 1 && reads <= requests, `${reads} reads`);
    assert.deepEqual(rehearsal.waitingFor(), []);
  }
});

test("models that cannot be made ready are not rehearsed", async (t) => {
  const version = await world.promote("gone");
  const artifacts = {
    of: (topology: string) => ({
      ...world.artifacts("gone").of(topology),
      ensure: () => Promise.reject(new Error(`${version} is away`)),
    }),
  };
  const { online } = countedStores();
  const predictions = new Predictions([plan], { ...world, online, artifacts });
  t.after(() => predictions.close());
  await predictions.warm();
  assert.deepEqual(await predictions.rehearsed(), []);
});

test("the log is opened beside the rehearsal, and nothing is written to it", {
  timeout: 30_000,
}, async (t) => {
  await world.promote("logged");
  const { online } = countedStores();
  const sent: unknown[] = [];
  let producers = 0;
  let opened = () => {};
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const broker = new Proxy(world.broker, {
    get: (target, name) => {
      const found: unknown = Reflect.get(target, name);
      if (name !== "producer") return typeof found === "function" ? found.bind(target) : found;
      return async (...given: Parameters<typeof target.producer>) => {
        const producer = await target.producer(...given);
        producers++;
        opened();
        return Object.assign(Object.create(producer), {
          send: (...batches: Parameters<typeof producer.send>) => {
            sent.push(batches);
            return producer.send(...batches);
          },
          close: () => producer.close(),
        });
      };
    },
  });
  const stack = { ...world, broker, online, artifacts: world.artifacts("logged") };
  const predictions = new Predictions([plan], stack, { logs: true });
  t.after(() => predictions.close());
  await predictions.warm();
  const how = { limits: usualLimits, requests: 20, mostMs: 60_000, warn: () => {} };
  assert.equal(await beginRehearsal(predictions.rehearsed(), how).answered, 20);
  await isOpen;
  assert.equal(sent.length, 0);
  await predictions.step(step.name, null).predict([record], asked, String);
  assert.deepEqual([producers, sent.length], [1, 1]);
});
