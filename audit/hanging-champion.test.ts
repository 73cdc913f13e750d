/** Streams whose champion hangs at certain rows, run to their end and read again. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import type { Mode } from "../runtime/engine/task-factory.ts";
import { Application } from "../runtime/hosting/application.ts";
import { createSources } from "../runtime/hosting/create-sources.ts";
import { storesOf } from "../runtime/hosting/stack.ts";
import { fittedModel } from "../runtime/predict/predict-fixture.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { hangingModel } from "../runtime/services/score/hanging-model-fixture.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { watermark } from "../schemas/generated.ts";
import type { ModelChange } from "../schemas/model-change.ts";
import { type AvroSchema, stepsOf } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { openEmbeddedStack } from "../stacks/embedded-stack.ts";
import { modelRegisterTopic } from "../topologies/dsl/compile/topics.ts";
import { offline, topic } from "../topologies/dsl/roles.ts";
import { previousVersion, prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { committedValues } from "./committed-values.ts";
import { rereadRun } from "./reread/reread-run.ts";
import { verifyRun } from "./verify-run.ts";

interface Payment {
  readonly id: string;
  readonly at: number;
  readonly amount: number;
}

const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "amount", type: "double" },
  ],
});
const plan = topology(
  "cards",
  {
    predictions: from("payments", payment)
      .timedBy("at", { lateness: "5m" })
      .partitionedBy("id")
      .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
      .scoredBy("fraud", {
        ...{ model: "@champion", deadline: "400ms" },
        fallback: [previousVersion(), prior(0.25)],
      })
      .into(topic("predicted"), offline),
  },
  { partitions: 1 },
);
const features = stepsOf(plan, "scoring")[0]?.features ?? [];
/** The champion hangs above it, and answers the amount. */
const above = 0.75;
const hangs = 0.9;
/** Of a run of a model, ms: those that end take less than one. */
const scoringRunMs = 1_000;
/** Of a test: what waits for a run that hangs would wait for good. */
const timeout = 120_000;
const noon = Date.UTC(2026, 0, 1, 12);
const hour = 3_600_000;

const folder = mkdtempSync(join(tmpdir(), "millrace-hanging-stream-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly id: string;
  readonly version: string | null;
  /** Of the fallback. */
  readonly why: string | null;
  readonly probability: number;
}

type Told = Omit<Answer, "why"> & { readonly fallbackReason: Answer["why"] };

/** An embedded stack, with what sends payments to it and names champions. */
async function world(name: string) {
  const directory = join(folder, name);
  const stack = await openEmbeddedStack({ directory });
  const { broker, registry } = stack;
  await createSources(broker, [plan]);
  await broker.createTopics(plan.topics.filter(({ role }) => role !== "source"));
  const producer = await broker.producer({ transactionalId: null });
  const append = async (to: string, key: string, value: Buffer, at: number) => {
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from(key), value, at);
    await producer.send([{ topic: to, partition: 0, batch: batch.build() }]);
  };
  const appendAs = async (to: string, schema: AvroSchema, key: string, value: object) => {
    const bytes = new ByteWriter();
    const id = await registry.register(`${to}-value`, schema);
    new AvroEncoder(schema, id).encode(value as Readonly<Record<string, unknown>>, bytes);
    await append(to, key, bytes.take(), 0);
  };
  let before = "";
  return {
    ...{ stack, directory },
    send: (each: Payment) => appendAs("payments", payment, each.id, each),
    /** Makes a model champion for what is known after an instant. */
    promote: async (version: string, bytes: Uint8Array, effectiveFrom: number) => {
      const sha256 = await stack.artifacts.of(plan.name).put(bytes);
      const change: ModelChange = {
        ...{ id: version, after: before, kind: "register", model: "fraud", version, sha256 },
        ...{ champion: true, from: "", effectiveFrom, at: effectiveFrom, by: "test", why: "" },
        checked: null,
      };
      before = version;
      await append(
        modelRegisterTopic(plan.name),
        "fraud",
        Buffer.from(JSON.stringify(change)),
        effectiveFrom,
      );
    },
    /** Says that no payment before an instant follows. */
    endAt: async (at: number) => {
      const place = { topic: "payments", partition: 0 };
      const endOffsets = await broker.listOffsets([{ ...place, at: "latest" }]);
      await appendAs(watermarksTopic(plan.name, "payments"), watermark, "", {
        ...{ before: at, endOffsets },
      });
    },
    /** Of the topic, in its order. */
    answers: async (): Promise<Answer[]> => {
      const latest = await registry.latest("predicted-value");
      if (latest === null) return [];
      const found: Answer[] = [];
      const decoder = new AvroDecoder(registry, latest.schema);
      for await (const { value } of committedValues(broker, "predicted", 0, decoder)) {
        const { fallbackReason: why, ...told } = value as unknown as Told;
        found.push({ id: told.id, version: told.version, why, probability: told.probability });
      }
      return found;
    },
    /** What is wrong with the run, and how many predictions were read again. */
    checked: async (live: boolean) => {
      const stores = storesOf(stack, plan.name);
      const { problems } = await verifyRun({ plan, ...stores, live });
      // What was decided is not asked for again: it would hang for good.
      const limit = { scoringRunMs: live ? hour : scoringRunMs };
      const { topics } = await rereadRun({
        ...{ plan, stack, directory, live, ended: true, ...limit },
      });
      const read = topics.find(({ topic: each }) => each === "predicted")?.records;
      return { problems, differences: topics.flatMap(({ differences }) => differences), read };
    },
  };
}

test("a replay answers the rows that its champion hangs at by the fallback, and does so again", {
  timeout,
}, async () => {
  const { stack, send, promote, endAt, answers, checked } = await world("replay");
  await promote("r1", fittedModel("before", features), noon - 1);
  await promote("r2", hangingModel({ features: features.length, above }), noon + 9_500);
  const hanging = [20, 23];
  const amountOf = (i: number) => (hanging.includes(i) ? hangs : (i % 8) / 16);
  const sent = Array.from({ length: 40 }, (_, i) => i);
  for (const i of sent) await send({ id: `p${i}`, at: noon + i * 1_000, amount: amountOf(i) });
  const end = noon + hour;
  await endAt(end);
  const { warn, hung } = hangsTold();
  const application = await Application.start({
    ...{ plan, stack, mode: { kind: "replay" }, instanceId: "0", scoringRunMs, warn },
  });
  await application.run(new AbortController().signal, end);
  await application.close();
  const found = await answers();
  assert.deepEqual(
    found.slice(0, 10).map(({ version, why }) => [version, why]),
    Array(10).fill(["r1", null]),
  );
  assert.deepEqual(
    found.slice(10),
    sent.slice(10).map((i): Answer => {
      const id = `p${i}`;
      return hanging.includes(i)
        ? { id, version: null, why: "failed", probability: 0.25 }
        : { id, version: "r2", why: null, probability: amountOf(i) };
    }),
  );
  assert.equal(hung(), 1 + hanging.length, "the batch, and each of the rows alone");
  assert.deepEqual(await checked(false), { problems: [], differences: [], read: sent.length });
  await stack.close();
});

/** A live run, and what asks it. */
async function liveRun(name: string, limitMs: number) {
  const { stack, send, promote, answers, checked } = await world(name);
  const began = Date.now();
  const end = began + hour;
  let ahead = 0;
  const mode: Mode = { kind: "live", now: () => Date.now() + ahead, end, maxWaitMs: 1_000 };
  const { warn, hung } = hangsTold();
  const application = await Application.start({
    ...{ plan, stack, mode, instanceId: "0", scoringRunMs: limitMs, warn },
  });
  const running = application.run(new AbortController().signal, end);
  let sent = 0;
  /** Sends a payment, and gives its answer: who made it, or why nobody did. */
  const ask = async (amount: number) => {
    const id = `p${sent++}`;
    await send({ id, at: Date.now(), amount });
    let found: Answer | undefined;
    while (found === undefined) {
      await wait(5);
      found = (await answers()).find((each) => each.id === id);
    }
    return found.why ?? found.version;
  };
  return {
    ...{ ask, hung },
    promote: (version: string, bytes: Uint8Array) => promote(version, bytes, began),
    /** Who answers until somebody does. */
    until: async (who: string) => {
      const others = new Set<string | null>();
      for (let by = await ask(0.5); by !== who; by = await ask(0.5)) others.add(by);
      return [...others];
    },
    /** Ends it, and reads it again. */
    finish: async () => {
      ahead = 2 * hour;
      await running;
      await application.close();
      assert.deepEqual(await checked(true), { problems: [], differences: [], read: sent });
      await stack.close();
    },
  };
}

test("a live run goes on behind the rows that its champion hangs at, and puts it aside at last", {
  timeout,
}, async () => {
  const { ask, hung, promote, until, finish } = await liveRun("live", scoringRunMs);
  await promote("r1", fittedModel("before", features));
  await until("r1");
  await promote("r2", hangingModel({ features: features.length, above }));
  await until("r2");
  for (let times = 1; times <= 2; times++) {
    assert.equal(await ask(hangs), "late");
    for (const by of await until("r2")) assert.equal(by, "late", "it waits behind what hangs");
    assert.equal(hung(), times);
  }
  assert.equal(await ask(hangs), "late");
  const others = await until("r1");
  assert.ok(others.includes("failed"), `given up, then put aside: ${others.join()}`);
  assert.equal(hung(), 3);
  assert.equal(await ask(hangs), "r1", "nobody asks it any more");
  await finish();
});

test("a live run comes to its end while its champion hangs", { timeout }, async () => {
  const { ask, hung, promote, until, finish } = await liveRun("ending", hour);
  await promote("r1", hangingModel({ features: features.length, above }));
  await until("r1");
  assert.equal(await ask(hangs), "late");
  await finish();
  assert.equal(hung(), 0);
});

/** Counts the runs that were ended, as whoever runs the process is told of them. */
function hangsTold() {
  let told = 0;
  const warn = (text: string) => {
    if (text === "a run of a model was ended") told++;
  };
  return { warn, hung: () => told };
}
