import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { fitLogisticRegression } from "../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../processors/train/preparation.ts";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import { hashed, oneHot } from "../../schemas/encodings/kinds.ts";
import type { ModelChange } from "../../schemas/model-change.ts";
import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { modelRegisterTopic } from "../../topologies/dsl/compile/topics.ts";
import { and, eq, gt } from "../../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../../topologies/dsl/roles.ts";
import { blockList, override, threshold } from "../../topologies/dsl/rules.ts";
import { type Explained, previousVersion, prior } from "../../topologies/dsl/scoring.ts";
import { upper } from "../../topologies/dsl/select.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { createSources } from "../hosting/create-sources.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { ModelTail } from "../services/models/model-tail.ts";
import { type Artifacts, openArtifactStore } from "../services/train/artifacts.ts";
import { logisticRegressionGraph } from "../services/train/logistic-regression-graph.ts";

export interface Payment {
  readonly paymentId: string;
  readonly paidAt: number;
  readonly card: string;
  readonly country: string | null;
  readonly amount: number;
  readonly known: boolean;
  /** Nothing depends on it. */
  readonly shop: string;
  /** Nothing depends on it. */
  readonly note: string;
}

export const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "paidAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "country", type: ["null", "string"], default: null },
    { name: "amount", type: "double" },
    { name: "known", type: "boolean" },
    { name: "shop", type: "string" },
    { name: "note", type: "string" },
  ],
});

const all = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");
const cards = all
  .keyedBy("card")
  .over("1h", "3h")
  .compute({
    payments: agg.count(),
    mean: agg.mean("amount"),
    p90: agg.quantile("amount", 0.9),
    since: agg.sinceLast(),
    last: agg.last("country"),
    wasKnown: agg.last("known"),
  })
  .asFeatureView("cards@1", { ttl: "2d" })
  .into(online, offline);
const shops = all
  .keyedBy("card", "shop")
  .over("3h")
  .compute({ payments: agg.count(), largest: agg.max("amount") })
  .asFeatureView("shops@1", { ttl: "2d" })
  .into(online);

const asked = all
  .where(gt("amount", 0))
  .select({
    paymentId: "paymentId",
    paidAt: "paidAt",
    card: "card",
    shop: "shop",
    nation: upper("country"),
    amount: "amount",
    large: gt("amount", 50),
  })
  .enrichedWith(
    { card: cards.at("card"), there: shops.at("card", "shop") },
    {
      missing: "null",
      request: { amount: "amount", large: "large", nation: oneHot("nation", ["DE", "FR"]) },
    },
  )
  .derived({ last: oneHot("card_last_1h", ["de", "fr"]), bucket: hashed("card_last_3h", 3) });
const scoresBy = (options: { readonly explain?: Explained }) =>
  asked
    .scoredBy("fraud", {
      ...{ model: "@champion", deadline: "5s" },
      fallback: [previousVersion(), prior(0.1)],
      ranges: {
        amount: { max: 90, outside: "refuse" },
        card_payments_1h: { max: 1, outside: "flag" },
      },
      rules: [
        blockList("stolen", "shop", ["s|9"], 1),
        override("far", and(eq("nation", "IT"), gt("features.card_payments_3h", 2)), 0.9),
        threshold("large", 0.5, eq("large", true)),
        threshold("any", 0.95),
      ],
      ...options,
    })
    .into(topic("payments.scores"), offline);

/** Payments that are scored by views of numbers and texts, behind a where and a select. */
export const plan: Plan = topology("cards", { scores: scoresBy({}) }, { partitions: 2 });

/** The same, whose predictions tell the three features that contributed most. */
export const explainedPlan: Plan = topology(
  "cards",
  { scores: scoresBy({ explain: { top: 3 } }) },
  { partitions: 2 },
);

const scored = stepsOf(plan, "scoring").find(({ name }) => name === "scores");
if (scored === undefined) throw new RangeError("no step");
export const step = scored;

export interface PromoteOptions {
  /** UTC ms. @default now */
  readonly effectiveFrom?: number;
  /** @default a model that the seed gives */
  readonly bytes?: Uint8Array;
}

/** Embedded Kafka and artifacts in a folder, with the model register of the plan. */
export interface PredictWorld {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** Of a machine: each name has a directory of its own, over one shared store. */
  artifacts(machine: string): Artifacts;
  /** Makes a model that a seed gives champion, and gives its version. */
  promote(seed: string, options?: PromoteOptions): Promise<string>;
  readonly folder: string;
  close(): Promise<void>;
}

export async function predictWorld(of: Plan = plan, model = "fraud"): Promise<PredictWorld> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-predict-"));
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await createSources(broker, [of]);
  await broker.createTopics(of.topics.filter(({ role }) => role !== "source"));
  const shared = new Map<string, Buffer>();
  const artifacts = (machine: string): Artifacts => ({
    of: (name) =>
      openArtifactStore(join(folder, machine, name), {
        shared: {
          where: "memory",
          read: async (sha256) => shared.get(sha256) ?? null,
          write: async (sha256, bytes) => void shared.set(sha256, Buffer.from(bytes)),
        },
      }),
  });
  const features = stepsOf(of, "scoring").find((each) => each.model.name === model)?.features ?? [];
  const topic = modelRegisterTopic(of.name);
  const promote: PredictWorld["promote"] = async (seed, options = {}) => {
    const { bytes = fittedModel(seed, features), effectiveFrom = Date.now() } = options;
    const sha256 = await artifacts("desk").of(of.name).put(bytes);
    const changes = await new ModelTail(broker, topic).changes(model);
    const change: ModelChange = {
      ...{ id: `change ${changes.length}`, after: changes.at(-1)?.id ?? "" },
      ...{ kind: "register", model, version: `r${changes.length + 1}`, sha256, champion: true },
      ...{ from: "", effectiveFrom, at: Date.now(), by: "test", why: seed },
      checked: null,
    };
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from(model), Buffer.from(JSON.stringify(change)), change.at);
    const producer = await broker.producer({ transactionalId: null });
    await producer.send([{ topic, partition: 0, batch: batch.build() }]);
    await producer.close();
    return change.version;
  };
  return {
    ...{ broker, registry, artifacts, promote, folder },
    close: async () => {
      await broker.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A logistic regression as the built-in trainer writes them. */
export function fittedModel(seed: string, features: readonly string[]): Uint8Array {
  const random = seededRandom(seed);
  const [n, width] = [400, features.length];
  const raw = Float64Array.from({ length: n * width }, () => random(1_000) / 10);
  const labels = Uint8Array.from({ length: n }, (_, row) => {
    const sum = raw.subarray(row * width, (row + 1) * width).reduce((a, b) => a + b, 0);
    return sum / width + random(30) > 65 ? 1 : 0;
  });
  // Of times, ms up to hours.
  const values = raw.map((value, i) => value * (features[i % width]?.includes("since") ? 1e5 : 1));
  const rows = { n, features, values, labels, knownAt: new Float64Array(n) };
  const preparation = fitPreparation(rows, new Set());
  const fitted = fitLogisticRegression(prepare(preparation, rows), labels, preparation.columns);
  return logisticRegressionGraph(width, preparation, fitted);
}

/** Numbers below a bound, always the same for a name. */
export function drawnBy(name: string): (below: number) => number {
  return seededRandom(name);
}
