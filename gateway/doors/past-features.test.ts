import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { offlineEncoders, offlineTables, offlineViews } from "../../runtime/offline/tables.ts";
import { createMemoryRegistry } from "../../runtime/schema-registry/embedded.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { valueLayout, viewId } from "../../schemas/feature-view.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { type FeatureRow, writeRow } from "../../schemas/row.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import { readFeatureRows } from "../../serving/feature-rows.ts";
import type { ServedStack } from "../../serving/served-stack.ts";
import { openChdb } from "../../sinks/chdb/chdb.ts";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { string } from "../../sinks/row-binary.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { offline, online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

interface Sale {
  readonly saleId: string;
  readonly at: number;
  readonly customer: number | bigint | null;
}
const sale = recordSchema<Sale>({
  type: "record",
  name: "Sale",
  fields: [
    { name: "saleId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "customer", type: ["null", "long"], default: null },
  ],
});
const sales = from("sales", sale).timedBy("at", { lateness: "1m" }).partitionedBy("saleId");
const lasts = sales
  .keyedBy("saleId")
  .over("1h")
  .compute({
    n: agg.count(),
    total: agg.sum("customer"),
    customer: agg.last("customer"),
    when: agg.last("at"),
    since: agg.sinceLast(),
  })
  .asFeatureView("lasts@1", { ttl: "1d" })
  .into(online, offline);
const plan = topology("sales", { lasts }, { partitions: 1 });
const view = stepsOf(plan, "view")[0];
assert.ok(view);

const folder = mkdtempSync(join(tmpdir(), "millrace-past-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const noon = Date.UTC(2026, 0, 1, 12);
const edges = [0n, 2n ** 53n, -(2n ** 53n), 2n ** 60n, 2n ** 63n, -(2n ** 63n), 2n ** 64n];
const near = fc
  .tuple(fc.constantFrom(...edges), fc.bigInt(-4n, 4n))
  .map(([edge, by]) => edge + by)
  .filter((whole) => whole >= -(2n ** 63n) && whole < 2n ** 64n);
const wholes = fc.oneof(near, fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n), fc.constant(null));
const customers = fc.sample(wholes, { numRuns: 400, seed: 1 });

/** What a row says of a customer, whose number online rows hold as decoders give it. */
function rowOf(customer: bigint | null): FeatureRow {
  const others = new ByteWriter();
  new RowCodec(valueLayout(view as never)).writeValues(others, [customer, noon - 5]);
  const values = Float64Array.of(2, customer === null ? Number.NaN : Number(customer), noon - 5);
  return {
    ...{ served: 0, asOf: noon, seq: 0, validUntil: Number.NaN },
    ...{ values, others: others.take() },
  };
}

/** Fills the table of the view as its pump does. */
async function storeRows(store: Awaited<ReturnType<typeof openChdb>>): Promise<void> {
  await store.migrate(offlineTables(plan), offlineViews(plan));
  const [stored] = offlineEncoders(plan, createMemoryRegistry());
  assert.ok(stored);
  const into = new ByteWriter();
  for (const [key, customer] of customers.entries()) {
    const record = new ByteWriter();
    const name = Buffer.from(`s${key}`);
    record.raw(name, 0, name.length);
    const keyEnd = record.position;
    writeRow(record, rowOf(customer));
    const { buffer, position } = record;
    const at = { buffer, keyStart: 0, keyEnd, valueStart: keyEnd, valueEnd: position };
    assert.equal(stored.encoder.append({ ...at, offset: key }, 0, into), 1);
    string(into, "topic-id");
  }
  const rows = customers.length;
  await store.insert({
    ...{ table: stored.encoder.table, rows, token: "rows" },
    rowBinary: into.buffer.subarray(0, into.position),
  });
}

test("a feature has one form, online and in the past: whole numbers no double is sure of are text", async () => {
  const store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
  });
  try {
    await storeRows(store);
    const memory = createMemoryOnlineStore();
    const keys = customers.map((_, key) => [`s${key}`]);
    const offlineStore = { of: () => store } as unknown as ServedStack["offline"];
    const read = (at: number) =>
      readFeatureRows(
        [plan],
        { online: memory, offline: offlineStore },
        { reads: [{ view: "lasts@1", topology: null, keys }], at },
      );
    const q = noon + 10;
    const own = onlineStoreOf(memory, plan.name);
    const of = { topicId: "1", nextOffset: 9, partition: partitionOf("s0", 1), progress: q };
    const write = (asOf: number) =>
      own.write({
        ...{ ...of, view: viewId(view as never) },
        rows: customers.map((customer, key) => {
          return { entityKey: `s${key}`, offset: asOf, row: { ...rowOf(customer), asOf } };
        }),
      });
    await write(noon);
    const [now] = await read(q);
    // Later rows stand in the online store: what held before is asked of the offline store.
    await write(q);
    const [past] = await read(q);
    assert.deepEqual([now?.rows[0]?.source, past?.rows[0]?.source], ["online", "offline"]);
    for (const [index, customer] of customers.entries()) {
      const total = customer === null ? null : Number(customer);
      const isSure = total === null || Number.isSafeInteger(total);
      const expected = isSure ? total : String(customer);
      const values = now?.rows[index]?.values;
      assert.deepEqual(past?.rows[index]?.values, values, String(customer));
      assert.deepEqual(values, [2, total, expected, noon - 5, 15], String(customer));
    }
  } finally {
    await store.close();
  }
});
