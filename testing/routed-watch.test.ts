/** A step that is routed and watched: judged by its champion, whoever that is by then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { type ChampionNews, withNews } from "../processors/scoring/model-news.ts";
import { isScoreWork } from "../processors/scoring/score-work.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { Execute } from "../runtime/services/service.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { watermark } from "../schemas/generated.ts";
import { arranged, bucketOf, challengerOf } from "../schemas/model-routes.ts";
import type { AvroSchema } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { eq } from "../topologies/dsl/conditions.ts";
import { offline, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { logisticRegression } from "../topologies/dsl/training.ts";
import { any, drifted, noModel } from "../topologies/dsl/triggers.ts";
import { drift } from "../topologies/dsl/watch.ts";
import { standIn } from "./driver-models.ts";
import { type DriverRecord, readAll, send } from "./driver-topics.ts";
import { seededRandom } from "./simulator.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly card: string;
  readonly amount: number;
  readonly fraud: boolean;
}
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "amount", type: "double" },
    { name: "fraud", type: "boolean" },
  ],
});
const payments = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("paymentId");
const predictions = payments
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
  .scoredBy("fraud", {
    ...{ model: "@champion", deadline: "20ms", fallback: prior(0.01) },
    routed: { by: "card" },
  })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(payments, { on: "paymentId", within: "10m", label: eq("fraud", true) })
  .into(topic("judged"), offline);
const retraining = outcomes
  .watchedFor(drift.features({ over: "1h" }), drift.performance("auc", { over: "1h", floor: 0.65 }))
  .retrainedWhen(any(noModel({ labels: 50 }), drifted("performance"), drifted("features")), {
    cooldown: "1m",
  })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "1m" });
const plan = topology("cards", { predictions, outcomes, retraining }, { partitions: 1 });

const hour = 3_600_000;
const noon = Date.UTC(2026, 0, 5, 12);
const perHour = 720;
const hours = 5;
const of = (version: string, share: number) => ({ version, share, sha256: `of ${version}` });
const routes = {
  challengers: arranged([], [of("r2", 0.4)]),
  segments: {},
  shadow: of("r3", 1),
};
/** Routes hold in the second hour; from the third on r2 is champion, and nobody is beside it. */
const news: readonly ChampionNews[] = [
  { number: 1, version: "", sha256: "", effectiveFrom: noon + hour - 1, routes },
  { number: 2, version: "r2", sha256: "of r2", effectiveFrom: noon + 2 * hour - 1 },
];
/** Of the keys that r2 has in the second hour. */
const challenges = (card: string) =>
  challengerOf(routes, bucketOf("predictions", card), null) !== null;

/**
 * The part of an amount behind the point says what the label probably is. In the second hour the
 * amounts of the challenger's cards are others, in the last one those of all.
 */
function paymentOf(n: number, random: () => number): Payment {
  const card = `c${n % 50}`;
  const hourOf = Math.floor(n / perHour);
  const isOther = hourOf === hours - 1 || (hourOf === 1 && challenges(card));
  const amount = random();
  return {
    ...{ paymentId: `p${n}`, at: noon + (n * hour) / perHour, card },
    ...{ amount: isOther ? amount + 5 : amount, fraud: random() < (amount < 0.5 ? 0.1 : 0.9) },
  };
}

/** Versions of the trainer know the label; r2 says the contrary, r3 nothing. */
function scoreOf(version: string, [amount = 0]: Float64Array): number {
  if (version === "r3") return 0.5;
  const known = amount % 1;
  return version === "r2" ? 1 - known : known;
}
const reference = [
  { feature: "amount", edges: [0.25, 0.5, 0.75], counts: [250, 250, 250, 250, 0], poor: false },
];

/** What models and their trainer say. */
const execute: Execute = async ({ outputs }, work) => {
  const ahead = outputs.map((each) => (each.kind === "inbox" ? each.lookAheadMs : 0));
  const given = standIn(
    work,
    { score: scoreOf, train: () => ({ promoted: true, reference }) },
    Math.max(...ahead),
  );
  if (!isScoreWork(work) || !work.payload.asksNews) return given;
  return withNews(given, news.slice(work.payload.heard));
};

type Value = Readonly<Record<string, unknown>>;

/** Runs it to its end, its work cut into pieces; what stands in its topics. */
async function runAll(stepBudget: number) {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(plan.topics);
  const producer = await broker.producer({ transactionalId: null });
  const write = async (to: string, schema: AvroSchema, key: string, value: Value, at: number) => {
    const id = await registry.register(`${to}-value`, schema);
    const bytes = new ByteWriter();
    new AvroEncoder(schema, id).encode(value, bytes);
    await send(producer, to, 0, key, bytes.take(), at);
  };
  const random = seededRandom(11);
  for (let n = 0; n < hours * perHour; n++) {
    const each = paymentOf(n, random);
    await write("payments", payment, each.paymentId, { ...each }, each.at);
  }
  const marks = watermarksTopic(plan.name, "payments");
  const place = { topic: "payments", partition: 0, at: "latest" } as const;
  const endOffsets = await broker.listOffsets([place]);
  const before = noon + (hours + 24) * hour;
  await write(marks, watermark, "", { before, endOffsets }, 0);
  await producer.close();
  const worker = await Worker.start({
    ...{ plan, broker, registry, execute, stepBudget },
    ...{ mode: { kind: "replay" }, instanceId: "0", commitIntervalMs: 0, idleWaitMs: 0 },
  });
  await worker.run(AbortSignal.timeout(60_000), () => worker.caughtUp());
  await worker.close();
  const read = async (name: string) => {
    const latest = await registry.latest(`${name}-value`);
    return latest === null
      ? []
      : await valuesOf(broker, name, new AvroDecoder(registry, latest.schema));
  };
  const [predicted, judged] = [await read("predicted"), await read("judged")];
  const [drifts, requests] = [await read("cards.drift"), await read("cards.retrain-requests")];
  await broker.close();
  return { predicted, judged, drifts, requests };
}

async function valuesOf(broker: Broker, name: string, decoder: AvroDecoder): Promise<Value[]> {
  const records: DriverRecord[] = [];
  for (let offset = 0; ; ) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic: name, partition: 0, offset, maxBytes: 1 << 26 }],
      ...{ isolation: "read_committed", maxWaitMs: 0, maxBytes: 1 << 26 },
    });
    if (fetched === undefined) break;
    offset = await readAll(fetched, decoder, records);
  }
  return records.map(({ value }) => value);
}

/** How many of each hour, by its words. */
function counted(all: readonly Value[], at: string, ...words: readonly string[]) {
  const found: Record<string, number> = {};
  for (const each of all) {
    const hourOf = Math.floor((Number(each[at]) - noon) / hour);
    const told = [hourOf, ...words.map((word) => each[word])].join(" ");
    found[told] = (found[told] ?? 0) + 1;
  }
  return found;
}

test("a routed step is judged by its champion's answers alone, whoever is champion by then", async () => {
  const whole = await runAll(1_000);
  const { predicted, judged, drifts, requests } = whole;
  const roles = ["role", "version", "assigned", "shadowVersion", "shadowScore"];
  const answers = counted(predicted, "knownAt", ...roles);
  assert.deepEqual(Object.keys(answers).sort(), [
    ...["0 champion v1 v1  ", "0 fallback    "],
    ...["1 challenger r2 r2 r3 0.5", "1 champion v1 v1 r3 0.5", "2 champion r2 r2  "],
    ...["3 champion r2 r2  ", "3 champion v2 v2  ", "4 champion v2 v2  "],
  ]);
  assert.deepEqual(counted(judged, "predictedAt", ...roles), answers, "outcomes carry roles");

  const challenged = answers["1 challenger r2 r2 r3 0.5"] ?? 0;
  assert.ok(challenged >= 200, `${challenged} rows of the challenger allow no judgement`);
  const windows = counted(drifts, "windowStart", "kind", "version", "rows", "alarm");
  const fromV1 = perHour - (answers["0 fallback    "] ?? 0);
  const fromR2 = answers["3 champion r2 r2  "] ?? 0;
  assert.deepEqual(Object.keys(windows), [
    ...[`0 features v1 ${fromV1} false`, `0 performance v1 ${fromV1} false`],
    // Amounts of the challenger's cards are others, and what it says is wrong.
    `1 features v1 ${perHour - challenged} false`,
    ...[`1 performance r2 ${challenged} true`, `1 performance v1 ${perHour - challenged} false`],
    // Of a champion that nobody trained here, features are held against what is known.
    ...[`2 features v1 ${perHour} false`, `2 performance r2 ${perHour} true`],
    ...[`3 features v1 ${fromR2} false`, `3 features v2 ${perHour - fromR2} false`],
    ...[`3 performance r2 ${fromR2} false`, `3 performance v2 ${perHour - fromR2} false`],
    ...[`4 features v2 ${perHour} true`, `4 performance v2 ${perHour} false`],
  ]);
  assert.deepEqual(
    requests.map(({ reasons, cutoff }) => [reasons, Math.floor((Number(cutoff) - noon) / hour)]),
    [
      [["no-model"], 0],
      [["drifted(performance)"], 3],
      [["drifted(features)"], 5],
    ],
  );
  assert.deepEqual(await runAll(40), whole, "however its work is cut");
});
