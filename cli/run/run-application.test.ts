import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { cardPayments } from "../../examples/writing-a-topology/card-payments.ts";
import { openStack, run } from "../../run.ts";
import { application } from "../../runtime/hosting/application-spec.ts";
import { sourceEncoder } from "../../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { offline, online } from "../../topologies/dsl/roles.ts";
import { from, type RecordFormat } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { askMillrace, killStarted, startMillrace } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-any-"));
const data = join(folder, "data");
const module = join(folder, "app.ts");
after(async () => {
  killStarted();
  await rm(folder, { recursive: true });
});

const day = Date.UTC(2026, 0, 1);
type Payment = (typeof payments)[number];

const payments = Array.from({ length: 300 }, (_, n) => ({
  paymentId: `p${n}`,
  paidAt: day + n * 60_000,
  card: `c${n % 7}`,
  shop: `s${n % 3}`,
  amount: 10 + (n % 11),
  online: n % 2 === 0,
}));
const disputes = payments
  .filter((_, n) => n % 10 === 0)
  .map(({ paymentId, paidAt }) => ({
    paymentId,
    disputedAt: paidAt + 3_600_000,
    upheld: true,
  }));

/** Sends records to the source topics of card payments, which it makes. */
async function fill(directory: string): Promise<void> {
  const stack = await openStack({ data: directory });
  try {
    const { broker, registry } = stack;
    const sources = cardPayments.topics.filter(({ role }) => role === "source");
    await broker.createTopics(sources);
    const producer = await broker.producer({ transactionalId: null });
    for (const source of cardPayments.sources) {
      const { topic, partitionField } = source;
      const encoder = await sourceEncoder(registry, source);
      for (const record of topic === "payments" ? payments : disputes) {
        const key = String((record as Record<string, unknown>)[partitionField]);
        const value = new ByteWriter();
        encoder.encode(record as unknown as Record<string, unknown>, value);
        const builder = new RecordBatchBuilder();
        builder.append(Buffer.from(key), value.take(), day);
        const partition = partitionOf(key, cardPayments.partitions);
        await producer.send([{ topic, partition, batch: builder.build() }]);
      }
    }
    await producer.close();
  } finally {
    await stack.close();
  }
}

before(async () => {
  // Compiled, as the package is that a user's module imports: its sources take seconds to compile.
  const from = new URL("../../examples/writing-a-topology/card-payments.js", import.meta.url);
  const lines = [
    `import { cardPayments } from ${JSON.stringify(fileURLToPath(from))};`,
    "export const application: typeof cardPayments = cardPayments;\n",
  ];
  await writeFile(module, lines.join("\n"));
});

test("a program runs topologies on what stands in their topics, and may stop and go on", async () => {
  await fill(data);
  const stopped = await run(cardPayments, { data, signal: AbortSignal.abort() });
  assert.deepEqual(stopped, { outcome: "interrupted", summary: null, problems: [] });
  const { outcome, summary, problems } = await run(cardPayments, { data });
  assert.deepEqual([outcome, problems], ["done", []]);
  assert.equal(summary?.predictions.total, payments.length);
  assert.equal(summary?.outcomes.labelled, disputes.length);
  assert.equal(summary?.range.from, new Date(day).toISOString());
  const again = await run(cardPayments, { data });
  assert.equal(again.summary?.predictions.total, payments.length);
});

test("an application whose topics hold nothing, or do not exist, says so", async () => {
  const empty = join(folder, "empty");
  await assert.rejects(run(cardPayments, { data: empty }), { code: "SOURCE_MISSING" });
  const stack = await openStack({ data: empty });
  await stack.broker.createTopics(cardPayments.topics.filter(({ role }) => role === "source"));
  await stack.broker.createTopics([{ name: "paymnets", partitions: 1, config: {} }]);
  await stack.broker.deleteTopics(["payments"]);
  await stack.close();
  await assert.rejects(run(cardPayments, { data: empty }), /did you mean paymnets\?/);
});

test("what cannot run side by side is named", () => {
  assert.throws(() => application({ name: "twice", topologies: [cardPayments, cardPayments] }), {
    code: "APPLICATION_INVALID",
    message: /the topology payments is in payments and in payments/,
  });
  assert.throws(() => application({ topologies: [] }), { code: "APPLICATION_INVALID" });
});

test("several workers of a program want the path of the module", async () => {
  const several = { stack: "local", settings: { workers: 2 } } as const;
  await assert.rejects(run(cardPayments, { ...several, data }), /run it by its path/);
});

test("the command runs a module of TypeScript, and looks know afterwards what it was", async () => {
  const other = join(folder, "other");
  await fill(other);
  const ran = await startMillrace("run", module, "--data", other).ended;
  assert.equal(ran.code, 0, ran.err);
  assert.match(ran.out, /^Millrace: payments as its topics stand, data in /);
  assert.match(ran.out, /Balanced/);
  const look = async (...args: string[]) => {
    const { code, out, err } = await askMillrace(...args, "--data", other);
    assert.equal(code, 0, err);
    return out;
  };
  assert.match(await look("describe"), /^topology payments\n/);
  assert.match(await look("features", "get", "card_spending", "c1"), /card_spending@1 of c1 at/);
  assert.match(await look("topics", "payments", "--count"), /payments +source +12 +300 +300/);
  assert.match(await look("sql", "SELECT count() AS n FROM scores", "--json"), /"n": "?300/);
  assert.match(await look("verify", "--reread"), /Everything is there, once\./);
});

test("every look at a run says with --json what it says in words, and nothing else", async () => {
  const directory = join(folder, "other");
  /** What the JSON of each look has to have, whatever else it has. */
  const looks: [args: readonly string[], facts: unknown][] = [
    [["topics", "payments", "--count"], [{ name: "payments", role: "source" }]],
    [["describe"], { name: "payments", partitions: 12 }],
    [["describe", "--grown"], { topologies: [{ name: "payments" }], grown: [] }],
    [["diff", module], [{ topology: "payments", verdict: "same", changes: [] }]],
    [["diff", module, module], [{ topology: "payments", verdict: "same", changes: [] }]],
    [["features", "get", "card_spending", "c1"], { view: "card_spending@1", key: "c1" }],
    [["features", "list", "shop_prices"], [{ view: "shop_prices@1", completeSince: null }]],
    [["models"], []],
    [["dead-letters", "list"], []],
    [["sql", "SELECT count() AS n FROM scores"], { data: [{ n: 300 }] }],
    [["verify"], { problems: [] }],
    [["config"], [{ name: "stack", value: "embedded" }]],
  ];
  for (const [args, facts] of looks) {
    const { code, out, err } = await askMillrace(...args, "--json", "--data", directory);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    const told: unknown = JSON.parse(out);
    assert.deepEqual(partOf(told, facts), facts, args.join(" "));
  }
});

/** Of a value what another one has, too: its members by their names, its first elements. */
function partOf(value: unknown, like: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(like)) {
    return like.length === 0 ? value : like.map((each, index) => partOf(value[index], each));
  }
  if (typeof value !== "object" || value === null || typeof like !== "object" || like === null) {
    return value;
  }
  const all = Object.entries(value);
  const members = Object.entries(like).map(([name, each]) => {
    return [name, partOf(all.find(([other]) => other === name)?.[1], each)];
  });
  return Object.fromEntries(members);
}

test("two topologies of an application run side by side, each with its own summary", async () => {
  const both = join(folder, "both");
  await fill(both);
  const source = cardPayments.sources.find(({ topic }) => topic === "payments");
  assert.ok(source !== undefined);
  const sums = from("payments", source.format as RecordFormat<Payment>)
    .timedBy("paidAt", { lateness: "30s" })
    .partitionedBy("paymentId")
    .keyedBy("card")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("hourly@1", { ttl: "2h" })
    .into(online, offline);
  const hourly = topology("hourly", { sums }, { partitions: cardPayments.partitions });
  const { outcome, summary } = await run([cardPayments, hourly], { data: both });
  assert.equal(outcome, "done");
  assert.deepEqual(Object.keys(summary?.topologies ?? {}), ["payments", "hourly"]);
  assert.equal(summary?.topologies["hourly"]?.processed, payments.length);
  assert.equal(summary?.predictions.total, payments.length);
});
