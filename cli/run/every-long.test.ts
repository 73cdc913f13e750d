/** Whole numbers of 64 bits on their way from a producer to all who read them, against BigInt. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { committedValues } from "../../audit/committed-values.ts";
import {
  agg,
  application,
  avro,
  eq,
  eventFeeder,
  from,
  json,
  offline,
  online,
  prior,
  recordSchema,
  topic,
  topology,
  types,
} from "../../index.ts";
import { openStack, run } from "../../run.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";

const edges = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 52n, 2n ** 53n, 2n ** 62n, 2n ** 63n];
const near = edges.flatMap((edge) =>
  [-2n, -1n, 0n, 1n, 2n].flatMap((step) => [edge + step, -edge + step]),
);
const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n];
const drawn = fc.sample(fc.bigInt({ min: least, max: most }), { seed: 64, numRuns: 200 });
const longs = [...new Set([...near, ...drawn])].filter((each) => each >= least && each <= most);
/** As a record has it: a number where that is exact. */
const held = (value: bigint) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
/** Of each id another value, of any size. */
const otherOf = new Map(longs.map((id, i) => [id, longs[(i * 7 + 3) % longs.length] as bigint]));

interface Payment {
  readonly id: number | bigint;
  readonly other: number | bigint;
  readonly at: number;
}
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "long" },
    { name: "other", type: "long" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
const payments = from("payments", avro(payment))
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id");
const disputes = from(
  "disputes",
  json({ id: types.integer(), other: types.integer(), at: types.timestamp("ms") }),
)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id");
const features = {
  last: agg.last("other"),
  first: agg.first("id"),
  kinds: agg.distinct("other"),
} as const;
const paid = payments
  .keyedBy("id")
  .over("1h")
  .compute(features)
  .asFeatureView("paid@1", { ttl: "1d" })
  .into(online, offline);
const disputed = disputes
  .keyedBy("id")
  .over("1h")
  .compute(features)
  .asFeatureView("disputed@1", { ttl: "1d" })
  .into(online, offline);
const predictions = payments
  .enrichedWith({ paid: paid.at("id") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(0.1) })
  .into(topic("scores"), offline);
const outcomes = predictions
  .labelledBy(disputes, { on: "id", within: "1d", label: eq("id", 0) })
  .into(topic("told"), offline);
const plan = topology("longs", { paid, disputed, predictions, outcomes }, { partitions: 2 });

const folder = mkdtempSync(join(tmpdir(), "millrace-longs-"));
const data = join(folder, "data");
const noon = Date.UTC(2026, 0, 1, 12);
let stack: Stack;
before(async () => {
  const records = longs.map((id) => ({ id: held(id), other: held(otherOf.get(id) ?? 0n) }));
  const events = [
    ...records.map((each) => ({ topic: "payments", at: noon, value: { ...each, at: noon } })),
    ...records.map((each) => {
      const at = noon + 60_000;
      return { topic: "disputes", at, value: { ...each, at } };
    }),
  ];
  const spec = application({ topologies: plan, feeder: eventFeeder({ events }) });
  assert.equal((await run(spec, { data })).outcome, "done");
  stack = await openStack({ data });
});
after(async () => {
  await stack.close();
  rmSync(folder, { recursive: true, force: true });
});

const sorted = (values: readonly bigint[]) => [...values].sort((a, b) => (a < b ? -1 : 1));
const wanted = sorted(longs);
const exact = (value: unknown) => BigInt(value as number | bigint | string);

test("no value is refused, and each is the id of its prediction and of its outcome", async () => {
  const inspector = inspectStack([plan], stack, []);
  assert.deepEqual(await inspector.deadLetters({ limit: 10, bytes: 0 }), []);
  for (const name of ["scores", "told"]) {
    const registered = await stack.registry.latest(`${name}-value`);
    assert.ok(registered);
    const { schema } = registered;
    const found: bigint[] = [];
    for (let partition = 0; partition < plan.partitions; partition++) {
      const decoder = new AvroDecoder(stack.registry, schema);
      for await (const { value } of committedValues(stack.broker, name, partition, decoder)) {
        found.push(exact(value["id"]));
        assert.equal(value["id"], held(exact(value["id"])), "a number where that is exact");
      }
    }
    assert.deepEqual(sorted(found), wanted, name);
  }
});

test("each is itself in the tables, to a client and as JSON", async () => {
  const inspector = inspectStack([plan], stack, []);
  for (const [table, other] of [
    ["raw_paid_v1", "last_1h"],
    ["raw_disputed_v1", "last_1h"],
    ["predictions", "id"],
    ["outcomes", "id"],
  ]) {
    const query = `SELECT DISTINCT id, ${other} AS other FROM ${table} WHERE ${other} IS NOT NULL`;
    const rows = await stack.offline.of("longs").query<{ id: unknown; other: unknown }>(query);
    assert.deepEqual(sorted(rows.map(({ id }) => exact(id))), wanted, table);
    const right = (id: bigint) => (other === "id" ? id : otherOf.get(id));
    for (const row of rows) assert.equal(exact(row.other), right(exact(row.id)), table);
    const text = await inspector.sql({ query, format: "JSONCompactEachRow", topology: null });
    const told = text
      .trim()
      .split("\n")
      .map((line) => [...line.matchAll(/-?\d+/g)].map(([digits]) => BigInt(digits)));
    assert.deepEqual(sorted(told.map(([id = 0n]) => id)), wanted, table);
    for (const [id = 0n, value] of told) assert.equal(value, right(id), table);
  }
});

test("each is itself in the online store, as it is kept and as JSON", async () => {
  const inspector = inspectStack([plan], stack, []);
  for (const view of ["paid", "disputed"]) {
    for (const id of longs) {
      const request = { view, key: [String(id)], at: noon + 120_000, topology: null };
      const answer = JSON.parse(JSON.stringify(await inspector.features(request))) as {
        key: string;
        source: string;
        features: { name: string; value: unknown }[];
      };
      const values = Object.fromEntries(answer.features.map(({ name, value }) => [name, value]));
      assert.equal(answer.key, String(id));
      assert.equal(exact(values["first_1h"]), id);
      assert.equal(exact(values["last_1h"]), otherOf.get(id));
      assert.equal(values["kinds_1h"], 1);
      const { last_1h: last } = values;
      const isExact = Number.isSafeInteger(Number(last));
      assert.equal(typeof last, isExact ? "number" : "string", "JSON has no other exact form");
    }
  }
});
