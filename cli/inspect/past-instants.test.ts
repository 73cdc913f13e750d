import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { offlineEncoders, offlineTables } from "../../runtime/offline/tables.ts";
import { createMemoryRegistry } from "../../runtime/schema-registry/embedded.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { featureColumns } from "../../schemas/feature-view.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { writeRow } from "../../schemas/row.ts";
import { readFeatures } from "../../serving/feature-look-up.ts";
import { openChdb } from "../../sinks/chdb/chdb.ts";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { onlineStoreOf } from "../../sinks/online-namespace.ts";
import { string } from "../../sinks/row-binary.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { offline } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

const payment = recordSchema<{ id: string; at: number; card: string }>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
  ],
});
const cards = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id")
  .keyedBy("card")
  .over("1h", "2h")
  .compute({ payments: agg.count(), sinceLast: agg.sinceLast() })
  .asFeatureView("cards@1", { ttl: "1d" })
  .into(offline);
const plan = topology("cards", { cards }, { partitions: 1 });
const noon = Date.UTC(2001, 0, 1, 12);

test("an instant of the offline store is read as the time from there to the moment asked for", async () => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-instants-"));
  const [view] = stepsOf(plan, "view");
  assert.ok(view);
  const store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
  });
  try {
    const own = store.of(plan.name);
    await own.migrate(offlineTables(plan), []);
    const row = new ByteWriter();
    const values = Float64Array.of(0, 1, Number.NaN, noon - 4_999);
    assert.equal(values.length, featureColumns(view).length);
    writeRow(row, { served: 0, asOf: noon, seq: 0, validUntil: noon + 7_000_000, values });
    const rows = plan.subtopologies.flatMap(({ outputs }) =>
      outputs.flatMap((output) => (output.kind === "rows" ? [output.topic] : [])),
    );
    const found = offlineEncoders(plan, createMemoryRegistry());
    const encoder = found.find(({ topic }) => topic === rows[0])?.encoder;
    assert.ok(encoder);
    const into = new ByteWriter();
    encoder.append(readerOf("c", row.take()), 0, into);
    string(into, "topic-id");
    const rowBinary = into.buffer.subarray(0, into.position);
    await own.insert({ table: encoder.table, rowBinary, rows: 1, token: "instants" });
    const stack = { online: createMemoryOnlineStore(), offline: store };
    const request = { view: "cards", key: ["c"], at: noon + 10_001, topology: null };
    await onlineStoreOf(stack.online, plan.name).write({
      ...{ topicId: "1", nextOffset: 1, progress: noon + 20_000, rows: [] },
      ...{ view: "cards@1", partition: 0 },
    });
    const { features } = await readFeatures([plan], stack, request);
    assert.deepEqual(
      features.map(({ name, value }) => [name, value]),
      [
        ["payments_1h", 0],
        ["payments_2h", 1],
        ["since_last_1h", null],
        ["since_last_2h", 15_000],
      ],
    );
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

function readerOf(key: string, value: Buffer): RecordReader {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from(key, "utf8"), value, 0);
  const reader = new RecordReader({ checkCrc: false });
  const records = builder.build().encoded;
  const ends = { highWatermark: 1, lastStableOffset: 1, logStartOffset: 0, aborted: [] };
  reader.open({ topic: "t", partition: 0, offset: 0, records, ...ends }, "read_uncommitted");
  reader.next();
  return reader;
}
