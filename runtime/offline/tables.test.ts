import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { entityKey, featureColumns } from "../../schemas/feature-view.ts";
import { type AvroSchema, stepsOf } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { type FeatureRow, writeRow } from "../../schemas/row.ts";
import { type ChdbStore, openChdb } from "../../sinks/chdb/chdb.ts";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { string } from "../../sinks/row-binary.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { offline } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { flights } from "../../topologies/flights/flights.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { onlineSink } from "../pump/online-sink.ts";
import { TallyCounter } from "../row-topics/tally.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { offlineEncoders, offlineTables, offlineViews } from "./tables.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-tables-"));
const registry = createMemoryRegistry();
const encoders = new Map(
  offlineEncoders(flights, registry).map((each) => [each.topic, each.encoder]),
);
const opened: { store?: ChdbStore } = {};
before(async () => {
  const store = await openChdb({
    directory: join(folder, "data"),
    spoolDirectory: join(folder, "spool"),
  });
  await store.migrate(offlineTables(flights), offlineViews(flights));
  opened.store = store;
});
after(async () => {
  await opened.store?.close();
  rmSync(folder, { recursive: true, force: true });
});

function store(): ChdbStore {
  assert.ok(opened.store);
  return opened.store;
}

/** Reads records as a pump would: from a batch of one partition, offsets from 0. */
function readerOf(records: readonly { readonly key: Buffer; readonly value: Buffer }[]) {
  const builder = new RecordBatchBuilder();
  for (const { key, value } of records) builder.append(key, value, 0);
  const reader = new RecordReader({ checkCrc: false });
  reader.open(
    {
      topic: "t",
      partition: 3,
      offset: 0,
      records: builder.build().encoded,
      highWatermark: records.length,
      lastStableOffset: records.length,
      logStartOffset: 0,
      aborted: [],
    },
    "read_uncommitted",
  );
  return reader;
}

async function encode(encoder: RowEncoder, reader: RecordReader): Promise<ByteWriter> {
  const into = new ByteWriter();
  while (reader.next()) {
    const appended = encoder.append(reader, 3, into);
    if (typeof appended !== "number") {
      await encoder.resolve(appended.needSchema);
      assert.equal(encoder.append(reader, 3, into), 1);
    }
    // Which topic it is the sink knows.
    if (appended !== 0) string(into, "topic-id");
  }
  return into;
}

async function storeRecords(topic: string, records: Parameters<typeof readerOf>[0]): Promise<void> {
  const encoder = encoders.get(topic);
  assert.ok(encoder);
  const { buffer, position } = await encode(encoder, readerOf(records));
  await store().insert({
    table: encoder.table,
    rowBinary: buffer.subarray(0, position),
    rows: records.length,
    token: `${topic}:test`,
  });
}

function rowRecord(key: string, row: Omit<FeatureRow, "served">) {
  const writer = new ByteWriter();
  writeRow(writer, { ...row, served: 1 });
  return { key: Buffer.from(key, "utf8"), value: writer.take() };
}

const noon = Date.UTC(2001, 0, 1, 12);

function rowsTopic(view: string): string {
  for (const { outputs } of flights.subtopologies) {
    for (const output of outputs) {
      if (output.kind === "rows" && output.view === view) return output.topic;
    }
  }
  return "";
}

test("a feature row comes back from its table column by column", async () => {
  const view = stepsOf(flights, "view").find(({ name }) => name === "route_delays");
  assert.ok(view);
  const columns = featureColumns(view);
  const counts = new Set(
    columns.flatMap(({ column, aggregate }) => (aggregate.output === "count" ? [column] : [])),
  );
  const values = Float64Array.from(columns, (_, i) => (i === 5 ? Number.NaN : i + 0.5));
  columns.forEach(({ column }, i) => {
    if (counts.has(column)) values[i] = i;
  });
  const key = entityKey(["A|B\\", "ÇD"]);
  const progress = Buffer.alloc(8);
  progress.writeDoubleLE(noon);
  await storeRecords(rowsTopic("route_delays@1"), [
    { key: Buffer.of(0), value: progress },
    rowRecord(key, { asOf: noon + 1, seq: 0, validUntil: Number.NaN, values }),
    rowRecord(key, { asOf: noon + 2, seq: 1, validUntil: noon + 3, values }),
  ]);
  const rows = await store().query<Record<string, unknown>>(
    "SELECT * EXCEPT (as_of, valid_until), toUnixTimestamp64Milli(as_of) AS as_of, " +
      "toUnixTimestamp64Milli(valid_until) AS valid_until FROM raw_route_delays_v1 ORDER BY offset",
  );
  const shared = Object.fromEntries(
    columns.map(({ column }, i) => [column, i === 5 ? null : values[i]]),
  );
  const expected = {
    origin: "A|B\\",
    destination: "ÇD",
    served: 1,
    partition: 3,
    topic_id: "topic-id",
    ...shared,
  };
  const topic = rowsTopic("route_delays@1");
  assert.deepEqual(rows, [
    { ...expected, topic, seq: 0, as_of: noon + 1, valid_until: null, offset: 1 },
    { ...expected, topic, seq: 1, as_of: noon + 2, valid_until: noon + 3, offset: 2 },
  ]);
});

test("of the rows of one instant the view shows the highest seq, so that ASOF is unambiguous", async () => {
  const view = stepsOf(flights, "view").find(({ name }) => name === "origin_traffic");
  assert.ok(view);
  const row = (asOf: number, seq: number) =>
    rowRecord("ATL", { asOf, seq, validUntil: asOf + 10, values: Float64Array.of(seq, seq, seq) });
  await storeRecords(rowsTopic("origin_traffic@1"), [
    row(noon, 0),
    row(noon, 2),
    row(noon, 1),
    row(noon + 5, 0),
  ]);
  const found = await store().query<Record<string, unknown>>(
    "SELECT at - toUnixTimestamp64Milli(as_of) AS age, departures_1h FROM " +
      `(SELECT 'ATL' AS origin, arrayJoin([${noon + 1}, ${noon + 5}, ${noon + 6}]) AS at, ` +
      "fromUnixTimestamp64Milli(at, 'UTC') AS q) AS l ASOF JOIN origin_traffic AS r " +
      "ON l.origin = r.origin AND l.q > r.as_of ORDER BY at",
  );
  assert.deepEqual(found, [
    { age: 1, departures_1h: 2 },
    { age: 5, departures_1h: 2 },
    { age: 1, departures_1h: 0 },
  ]);
  const [count] = await store().query("SELECT count() AS n FROM origin_traffic");
  assert.deepEqual(count, { n: 2 });
});

test("an entity whose key is the byte of progress has rows like any other", async () => {
  const topic = rowsTopic("origin_delays@1");
  const encoder = encoders.get(topic);
  assert.ok(encoder);
  const view = stepsOf(flights, "view").find(({ name }) => name === "origin_delays");
  const values = new Float64Array(view === undefined ? 0 : featureColumns(view).length);
  const row = rowRecord("\0", { asOf: noon, seq: 0, validUntil: Number.NaN, values });
  const progress = { key: Buffer.of(0), value: Buffer.alloc(8) };
  const reader = readerOf([progress, row]);
  const counter = new TallyCounter(encoder, 3, { below: 0, rows: 0, crcSum: 0n });
  const online = onlineSink(createMemoryOnlineStore(), "origin_delays@1").open(3);
  const into = new ByteWriter();
  const appended: unknown[] = [];
  while (reader.next()) {
    appended.push(encoder.append(reader, 3, into));
    counter.add(reader);
    online.add(reader);
  }
  assert.deepEqual(appended, [0, 1]);
  assert.deepEqual([counter.tally(2).rows, online.rows], [1, 1]);
});

test("a key field may have the name of a word of SQL", async () => {
  for (const word of ["distinct", "top", "all", "from"]) {
    const schema = recordSchema<{ readonly at: number; readonly id: string }>({
      type: "record",
      name: "Any",
      fields: [
        { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
        { name: "id", type: "string" },
        { name: word, type: "string" },
      ],
    });
    const view = from("any", schema)
      .timedBy("at", { lateness: "1s" })
      .partitionedBy("id")
      .keyedBy(word as "id", "id")
      .over("1h")
      .compute({ events: agg.count() })
      .asFeatureView(`by_${word}@1`, { ttl: "1d" })
      .into(offline);
    const plan = topology("named", { view });
    await store().migrate(offlineTables(plan), offlineViews(plan));
    assert.deepEqual(await store().query(`SELECT * FROM by_${word}`), []);
  }
});

test("every kind of record comes back from its view, nulls and bytes included", async () => {
  for (const { topic, values, table } of flights.stored) {
    if (values.kind === "rows" || table === null) continue;
    const { schema } = values;
    const { view, columns } = table;
    const id = await registry.register(`${topic}-value`, schema);
    const encoder = new AvroEncoder(schema, id);
    const records = [sample(schema, false), sample(schema, true)].map((value) => {
      const writer = new ByteWriter();
      encoder.encode(value, writer);
      return { key: Buffer.from("k"), value: writer.take() };
    });
    await storeRecords(topic, records);
    const list = columns.map(({ name, type }) =>
      type === "timestamp" ? `toUnixTimestamp64Milli(\`${name}\`) AS \`${name}\`` : `\`${name}\``,
    );
    const raw = `SELECT ${list.join(", ")} FROM raw_${table.name} ORDER BY offset`;
    const rows = await store().query<Record<string, unknown>>(raw);
    assert.equal(rows.length, 2, view);
    for (const [index, row] of rows.entries()) {
      const value = sample(schema, index === 1);
      for (const { name, type, from = name } of columns) {
        const given = stored(from.split(".").reduce<unknown>(partOf, value));
        const wanted = type === "text" && given !== null ? String(given) : given;
        assert.deepEqual(row[name], wanted, `${view}.${name}`);
      }
    }
    const [shown] = await store().query(`SELECT count() AS n FROM ${view}`);
    assert.deepEqual(shown, { n: 2 });
  }
});

type FieldType = string | readonly FieldType[] | { readonly type: string; [key: string]: unknown };

/** A value of a schema; with `empty`, null wherever the schema allows. */
function sample(schema: AvroSchema, empty: boolean): Record<string, unknown> {
  return Object.fromEntries(
    schema.fields.map(({ name, type }, index) => [
      name,
      sampleOf(type as FieldType, index + 1, empty),
    ]),
  );
}

function sampleOf(type: FieldType, number: number, empty: boolean): unknown {
  if (Array.isArray(type)) return empty ? null : sampleOf(type[1] as FieldType, number, empty);
  const plain = typeof type === "string" ? type : (type as { type: string }).type;
  const parts = type as { readonly symbols?: readonly string[]; readonly items?: FieldType };
  switch (plain) {
    case "long":
      return typeof type === "string" ? 2 ** 40 + number : noon + number;
    case "int":
      return number;
    case "double":
      return number / 8;
    case "boolean":
      return number % 2 === 0;
    case "string":
      return `é${number}\n\n;`;
    case "bytes":
      return Buffer.from(`b${number}`);
    case "enum":
      return parts.symbols?.[0];
    case "array":
      return empty ? [] : [sampleOf(parts.items ?? "string", number, empty)];
    default:
      return sample(type as unknown as AvroSchema, empty);
  }
}

/** A value as it comes back: texts of bytes, 1 and 0 of truth values. */
function stored(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (Array.isArray(value)) return JSON.stringify(value.map(headerText));
  if (typeof value === "boolean") return value ? 1 : 0;
  return value ?? null;
}

/** A header as it stands in JSON: bytes as base64. */
function headerText(header: { readonly key: string; readonly value: Buffer | null }) {
  return { key: header.key, value: header.value?.toString("base64") ?? null };
}

function partOf(value: unknown, name: string): unknown {
  return (value as Readonly<Record<string, unknown>>)[name];
}
