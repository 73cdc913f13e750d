import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyRun } from "../../audit/verify-run.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { openStack, run } from "../../run.ts";
import { sourceEncoder } from "../../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { Plan } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { eq, field, gt, neq } from "../../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { upper } from "../../topologies/dsl/select.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

const data = await mkdtemp(join(tmpdir(), "millrace-verbs-"));
after(() => rm(data, { recursive: true }));
const day = Date.UTC(2026, 0, 1);

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly card: string;
  readonly country: string;
  readonly home: string;
  readonly amount: number;
}

interface Dispute {
  readonly paymentId: string;
  readonly at: number;
  readonly upheld: boolean;
}

const at = { name: "at", type: { type: "long", logicalType: "timestamp-millis" } } as const;
const text = (name: string) => ({ name, type: "string" }) as const;
const amount = { name: "amount", type: "double" } as const;
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [text("paymentId"), at, text("card"), text("country"), text("home"), amount],
});
const dispute = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  fields: [text("paymentId"), at, { name: "upheld", type: "boolean" }],
});

/** Every tenth is sent again within the time, every twentieth also long after it. */
const payments: readonly Payment[] = Array.from({ length: 400 }, (_, n): Payment[] => {
  const [card, country] = [`c${n % 7}`, ["de", "fr", "nz"][n % 3] ?? ""];
  const one = {
    paymentId: `p${n}`,
    at: day + n * 60_000,
    card,
    country,
    home: "de",
    amount: n % 9,
  };
  if (n % 10 > 0) return [one];
  const soon = { ...one, at: one.at + 30_000 };
  return n % 20 === 0 ? [one, soon, { ...one, at: one.at + 300_000 }] : [one, soon];
})
  .flat()
  .sort((a, b) => a.at - b.at);
const disputes: readonly Dispute[] = payments
  .filter((_, n) => n % 6 === 0)
  .map(({ paymentId, at: paidAt }) => ({ paymentId, at: paidAt + 600_000, upheld: true }));

/** The topic is partitioned by the card: payments go by their ids to those who remember them. */
const chosen = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("card")
  .identifiedBy("paymentId")
  .dedupedBy("paymentId", { within: "1m" })
  .where(gt("amount", 0))
  .select({
    id: "paymentId",
    card: "card",
    sum: "amount",
    country: upper("country"),
    abroad: neq(field("country"), field("home")),
  });
const spending = chosen
  .keyedBy("card")
  .over("1h")
  .compute({ sum: agg.sum("sum"), abroad: agg.share(eq("abroad", true)) })
  .asFeatureView("spending@1", { ttl: "1d" })
  .into(online, offline);
const predictions = chosen
  .enrichedWith({ card: spending.at("card") }, { missing: "null", request: { sum: "sum" } })
  .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(0.1) })
  .into(topic("payments.scores"), offline);
const outcomes = predictions
  .labelledBy(
    from("disputes", dispute).timedBy("at", { lateness: "1m" }).partitionedBy("paymentId"),
    {
      on: "paymentId",
      within: "2h",
      label: eq("upheld", true),
      unlabelled: "negative",
    },
  )
  .into(topic("payments.disputed"), offline);
const answers = predictions
  .keyedBy("model")
  .over("1h")
  .compute({ n: agg.count(), largest: agg.max("features.sum") })
  .asFeatureView("answers@1", { ttl: "1d" })
  .into(online, offline);
const verdicts = outcomes
  .keyedBy("model")
  .over("1h")
  .compute({ fraud: agg.share(eq("label", true)) })
  .asFeatureView("verdicts@1", { ttl: "1d" })
  .into(offline);
const plan = topology("chosen", { predictions, outcomes, answers, verdicts }, { partitions: 2 });

async function fill(of: Plan): Promise<void> {
  const stack = await openStack({ data });
  const { broker, registry } = stack;
  await broker.createTopics(of.topics.filter(({ role }) => role === "source"));
  const producer = await broker.producer({ transactionalId: null });
  for (const source of of.sources) {
    const encoder = await sourceEncoder(registry, source);
    for (const each of source.topic === "payments" ? payments : disputes) {
      const record = { ...each } as Readonly<Record<string, unknown>>;
      const key = String(record[source.partitionField]);
      const value = new ByteWriter();
      encoder.encode(record, value);
      const builder = new RecordBatchBuilder();
      builder.append(Buffer.from(key), value.take(), day);
      const partition = partitionOf(key, of.partitions);
      await producer.send([{ topic: source.topic, partition, batch: builder.build() }]);
    }
  }
  await producer.close();
  await stack.close();
}

test("a run with every verb of a stream balances, and is verified from topics and tables", async () => {
  await fill(plan);
  const { outcome, problems, summary } = await run(plan, { data });
  assert.deepEqual([outcome, problems], ["done", []]);
  // Of 460 records 40 come again within a minute, and 20 after it.
  const expected = payments.filter(({ at: paidAt, paymentId, amount: paid }) => {
    const first = day + Number(paymentId.slice(1)) * 60_000;
    return paidAt !== first + 30_000 && paid > 0;
  });
  const counted = summary?.topologies["chosen"];
  assert.equal(counted?.duplicates, 40);
  assert.ok((counted?.excluded ?? 0) > 0);
  const branch = (name: string, of: "in" | "processed" | "excluded") =>
    (counted?.branches ?? [])
      .filter((each) => each.branch === name)
      .reduce((sum, each) => sum + each[of], 0);
  assert.equal(branch("spending@1", "processed"), expected.length);
  assert.equal(branch("predictions", "in"), 420);
  assert.equal(branch("answers@1", "processed"), summary?.predictions.total);
  const { labelled = 0, takenForNegative = 0, unknown = 0 } = summary?.outcomes ?? {};
  assert.ok(labelled > 0 && takenForNegative > 0 && unknown === 0);
  assert.equal(branch("verdicts@1", "processed"), labelled + takenForNegative);
  const stack = await openStack({ data });
  const { broker, registry } = stack;
  const store = stack.offline.of(plan.name);
  const report = await verifyRun({ plan, broker, registry, offline: store });
  await stack.close();
  assert.deepEqual(report.problems, []);
  const [scoring] = report.scorings;
  assert.equal(scoring?.predictions, summary?.predictions.total);
  assert.deepEqual([scoring?.labelled, scoring?.takenForNegative], [labelled, takenForNegative]);
  for (const { table, rows, records } of report.tables) assert.equal(rows, records, table);
});
