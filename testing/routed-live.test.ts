/** Routes that change while a live run goes on, read again with what it decided. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { committedPages } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { type ChampionNews, withNews } from "../processors/scoring/model-news.ts";
import { isScoreWork, rowStates } from "../processors/scoring/score-work.ts";
import { tellNews } from "../runtime/engine/merge-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { emptyResult, encodeScoreResult } from "../runtime/services/score/scorer.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { arranged } from "../schemas/model-routes.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { offline, topic } from "../topologies/dsl/roles.ts";
import { previousVersion, prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { seededRandom } from "./simulator.ts";
import { withMethods } from "./with-methods-fixture.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly card: string;
  readonly amount: number;
}
const payments = from(
  "payments",
  recordSchema<Payment>({
    type: "record",
    name: "Payment",
    fields: [
      { name: "paymentId", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
      { name: "card", type: "string" },
      { name: "amount", type: "double" },
    ],
  }),
)
  .timedBy("at", { lateness: "5m" })
  .partitionedBy("paymentId");
const predictions = payments
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
  .scoredBy("fraud", {
    ...{ model: "@champion", deadline: "20ms", fallback: [previousVersion(), prior(0.01)] },
    routed: { by: "card" },
  })
  .into(topic("predicted"), offline);
const plan = topology("cards", { predictions }, { partitions: 1 });
const registry = createMemoryRegistry();
const noon = Date.UTC(2026, 0, 5, 12);
const records = 600;

const of = (version: string, share: number) => ({ version, share, sha256: `of ${version}` });
const routes = {
  challengers: arranged([], [of("r2", 0.3), of("r3", 0.3)]),
  segments: {},
  shadow: of("r4", 0.5),
};
const champion = (number: number, version: string): ChampionNews => {
  return { number, version, sha256: `of ${version}`, effectiveFrom: noon };
};
/** By how many records have been sent when it is said: r3 fails always, so does r9. */
const said: readonly (readonly [number, ChampionNews])[] = [
  [50, champion(1, "r1")],
  [150, { number: 2, version: "", sha256: "", effectiveFrom: noon, routes }],
  [350, champion(3, "r5")],
  [450, champion(4, "r9")],
];

type Execute = WorkerOptions["execute"];

/** Answers of versions; each row may be late, or fail, by chance. */
function scoring(chance: () => number, news: () => readonly ChampionNews[]): Execute {
  return async (_, work) => {
    assert.ok(isScoreWork(work));
    const { versions, versionOf, asksNews, heard } = work.payload;
    const result = emptyResult(versionOf.length);
    for (const [row, index] of versionOf.entries()) {
      const version = versions[index] as string;
      const state = chance() < 0.05 ? rowStates.late : rowStates.answered;
      result.states[row] =
        version === "r3" || version === "r9" || chance() < 0.05 ? rowStates.failed : state;
      const isAnswered = result.states[row] === rowStates.answered;
      result.probabilities[row] = isAnswered ? Number(version.slice(1)) / 10 : Number.NaN;
    }
    const bytes = encodeScoreResult(result);
    return asksNews ? withNews(bytes, news().slice(heard)) : bytes;
  };
}

async function runLive(broker: Broker): Promise<void> {
  await broker.createTopics(plan.topics);
  const random = seededRandom(3);
  const [source] = plan.sources;
  assert.ok(source);
  const encoder = await sourceEncoder(registry, source);
  const producer = await broker.producer({ transactionalId: null });
  let [sent, now] = [0, noon];
  const send = async () => {
    const value = new ByteWriter();
    const id = `p${sent++}`;
    encoder.encode({ paymentId: id, at: now, card: `c${sent % 50}`, amount: 1 }, value);
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from(id), value.take(), now);
    await producer.send([{ topic: "payments", partition: 0, batch: batch.build() }]);
  };
  const heard = () => said.filter(([after]) => sent > after).map(([, news]) => news);
  let known = 0;
  const worker = await Worker.start({
    plan,
    broker: withMethods<Broker>(broker, {
      fetch: async (request) => {
        for (let n = Math.floor(random() * 12); n > 0 && sent < records; n--) {
          now += 1_000;
          await send();
        }
        if (sent === records) now += 60_000;
        if (heard().length > known) {
          known = heard().length;
          worker.tasks.forEach(tellNews);
        }
        return await broker.fetch({ ...request, maxWaitMs: 0 });
      },
    }),
    registry,
    mode: { kind: "live", now: () => now, maxWaitMs: 60_000 },
    instanceId: "0",
    execute: scoring(random, heard),
    commitIntervalMs: 0,
    stepBudget: 20,
  });
  const end = noon + records * 1_000 + 60_000;
  await worker.run(AbortSignal.timeout(30_000), () => now > end && worker.finished(end));
  await worker.close();
  await producer.close();
}

/** Values of a topic of one partition. */
async function read(broker: Broker, name: string) {
  const latest = await registry.latest(`${name}-value`);
  assert.ok(latest);
  const decoder = new AvroDecoder(registry, latest.schema);
  const place = { topic: name, partition: 0 };
  const [end = 0] = await broker.listOffsets([{ ...place, at: "stable" }]);
  const values: Record<string, unknown>[] = [];
  for await (const page of committedPages(broker, name, 0, { from: 0, end })) {
    for (const { value } of page) {
      if (value === null) continue;
      const decoded = await decoder.decodeAwaiting(value, 0, value.length);
      values.push({ ...decoded, latencyMs: 0 });
    }
  }
  return values;
}

/** What was given, and what was decided, record by record. */
async function copied(live: Broker): Promise<Broker> {
  const again = await openEmbeddedBroker({ directory: null });
  await again.createTopics(plan.topics);
  const producer = await again.producer({ transactionalId: null });
  for (const name of ["payments", "cards.decisions"]) {
    const [end = 0] = await live.listOffsets([{ topic: name, partition: 0, at: "stable" }]);
    for await (const page of committedPages(live, name, 0, { from: 0, end })) {
      const batch = new RecordBatchBuilder();
      for (const { key, value } of page) batch.append(key, value, 0);
      if (page.length > 0)
        await producer.send([{ topic: name, partition: 0, batch: batch.build() }]);
    }
  }
  await producer.close();
  return again;
}

test("a routed live run, with its decisions repeated, gives the same roles and answers", async () => {
  const live = await openEmbeddedBroker({ directory: null });
  await runLive(live);
  const made = await read(live, "predicted");
  assert.equal(made.length, records);
  const seen = new Set(
    made.flatMap(({ role, version, rerouted, fallbackReason, shadowVersion, shadowScore }) => [
      ...[`${role}`, `${role} ${version}`, `rerouted ${rerouted}`, `fell back ${fallbackReason}`],
      `shadow ${shadowVersion} ${shadowScore}`,
    ]),
  );
  const wanted = ["champion r1", "challenger r2", "champion r5", "fallback", "rerouted failed"];
  wanted.push("rerouted put aside", "shadow r4 0.4", "shadow r4 null", "fell back no model");
  for (const each of [...wanted, "fell back failed", "fell back late"]) {
    assert.ok(seen.has(each), `${each}: ${[...seen].join("; ")}`);
  }
  for (const stepBudget of [7, 1_000]) {
    const again = await copied(live);
    const worker = await Worker.start({
      plan,
      broker: again,
      registry,
      mode: { kind: "replay", decisions: "all" },
      instanceId: "reread",
      execute: scoring(
        () => 1,
        () => [],
      ),
      stepBudget,
    });
    await worker.run(
      AbortSignal.timeout(30_000),
      async (each) => each.finished(Number.NEGATIVE_INFINITY) && (await each.caughtUp()),
    );
    await worker.close();
    assert.deepEqual(await read(again, "predicted"), made, `work cut at ${stepBudget}`);
    await again.close();
  }
  await live.close();
});
