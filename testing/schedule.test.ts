import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { ExternalWork } from "../processors/processor.ts";
import type { Broker, FetchedPartition } from "../runtime/broker/broker.ts";
import { openEmbeddedBroker } from "../runtime/broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../runtime/broker/record-batch/builder.ts";
import { RecordReader } from "../runtime/broker/record-batch/reader.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { featureColumns, viewId } from "../schemas/feature-view.ts";
import { watermark } from "../schemas/generated.ts";
import { writeJson } from "../schemas/json-payload.ts";
import type { RetrainRequest } from "../schemas/payload.ts";
import { type FeatureRow, readRow } from "../schemas/row.ts";
import { watermarksTopic } from "../topologies/dsl/compile/topics.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { type OracleOutput, type SourceLogs, sequentialOracle } from "./sequential-oracle.ts";
import { runSchedule, seededRandom } from "./simulator.ts";

const schedules = Number(process.env["MILLRACE_SCHEDULES"] ?? 6);

test("any schedule of slices, slow sources and crashes gives what the definitions say", async () => {
  const logs = makeLogs(1, 700, 5);
  const expected = sequentialOracle(air, logs);
  assert.ok(expected.late.length > 3 && expected.predictions.length > 600);
  const digests = new Set<string>();
  let crashes = 0;
  for (let seed = 1; seed <= schedules; seed++) {
    const run = await runOnce(logs, seed);
    compare(run.output, expected, `schedule ${seed}`);
    digests.add(run.digest);
    crashes += run.crashes;
  }
  assert.equal(digests.size, 1, "predictions, outcomes, drift, requests and models are byte-equal");
  assert.ok(crashes > schedules, `${crashes} crashes are too few to prove anything`);
});

interface Run {
  readonly output: OracleOutput;
  readonly digest: string;
  readonly crashes: number;
}

async function runOnce(logs: SourceLogs, seed: number): Promise<Run> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produce(broker, registry, logs);
  const random = seededRandom(seed * 7919);
  const slow = ["none", "air.departures", "air.arrivals", "one"][seed % 4];
  const { crashes } = await runSchedule({
    plan: air,
    broker,
    registry,
    seed,
    execute: async (_, work) => execute(work),
    crash: 0.004 + random() * 0.01,
    speed: (task) => {
      const source = task instanceof SourceTask ? task.subtopology.name : "";
      if (slow === "one" && source !== "" && task.partition === seed % 3) return 0.05;
      return source === slow ? 0.1 : 1;
    },
    fetchBytes: [2_000, 20_000, 200_000][seed % 3] ?? 2_000,
  });
  const output = await collect(broker, registry);
  await broker.close();
  return { ...output, crashes };
}

/** Scores by the sum of the features and the version; promotes two of three versions. */
function execute(work: ExternalWork): Buffer {
  const result = new ByteWriter();
  if (work.kind === "train") {
    const request = JSON.parse(work.request) as RetrainRequest;
    writeJson(result, {
      requestId: request.id,
      version: `v${request.number}`,
      promoted: request.number % 3 !== 0,
      reason: "a test",
      effectiveFrom: request.cutoff + 6 * 3_600_000,
      cutoff: request.cutoff,
      trainedOn: request.number,
      heldOut: 0,
      holdoutAuc: null,
      championVersion: work.champion,
      championAuc: null,
      gainLowerBound: null,
      sha256: String(request.number),
      reference: [],
    });
    return result.take();
  }
  for (const [row, version] of work.versionOf.entries()) {
    const features = work.rows.subarray(row * work.features, (row + 1) * work.features);
    const sum = features.reduce((total, x) => total + (Number.isNaN(x) ? 1 : x), 0);
    result.f64(1 / (1 + Math.abs(sum) + Number(work.versions[version]?.slice(1))));
  }
  for (const _ of work.versionOf) result.f64(0);
  return result.take();
}

async function produce(broker: Broker, registry: SchemaRegistry, logs: SourceLogs): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  for (const source of air.sources) {
    const id = await registry.register(`${source.topic}-value`, source.schema);
    const encoder = new AvroEncoder(source.schema, id);
    const partitions = logs.get(source.topic) ?? [];
    for (const [partition, log] of partitions.entries()) {
      const builder = new RecordBatchBuilder();
      for (const entry of log) {
        if (!("record" in entry)) continue;
        const value = new ByteWriter();
        encoder.encode(entry.record, value);
        builder.append(Buffer.from(String(entry.record["flightId"])), value.take(), 0);
      }
      if (builder.count === 0) continue;
      await producer.send([{ topic: source.topic, partition, batch: builder.build() }]);
    }
    await produceWatermarks(producer, registry, source.topic, partitions);
  }
  await producer.close();
}

/** The n-th watermark stands in every partition; its end offset is the number of records before it. */
async function produceWatermarks(
  producer: Awaited<ReturnType<Broker["producer"]>>,
  registry: SchemaRegistry,
  source: string,
  partitions: NonNullable<ReturnType<SourceLogs["get"]>>,
): Promise<void> {
  const topic = watermarksTopic(source);
  const id = await registry.register(`${topic}-value`, watermark);
  const encoder = new AvroEncoder(watermark, id);
  const marks = partitions.map((log) => {
    let records = 0;
    return log.flatMap((entry) => {
      if ("before" in entry) return [{ before: entry.before, endOffset: records }];
      records++;
      return [];
    });
  });
  const builder = new RecordBatchBuilder();
  for (const [index, { before }] of (marks[0] ?? []).entries()) {
    const value = new ByteWriter();
    const endOffsets = marks.map((each) => each[index]?.endOffset ?? 0);
    encoder.encode({ before, endOffsets }, value);
    builder.append(null, value.take(), 0);
  }
  await producer.send([{ topic, partition: 0, batch: builder.build() }]);
}

async function collect(
  broker: Broker,
  registry: SchemaRegistry,
): Promise<{ output: OracleOutput; digest: string }> {
  const rows: string[] = [];
  for (const view of air.views) {
    const name = `air.${view.name}.v${view.version}.rows`;
    const row: FeatureRow = {
      served: 0,
      asOf: 0,
      seq: 0,
      validUntil: 0,
      values: new Float64Array(),
    };
    await readTopic(broker, name, (reader) => {
      const key = reader.buffer.subarray(reader.keyStart, reader.keyEnd);
      if (key.length === 1 && key[0] === 0) return;
      readRow(new ByteReader(reader.buffer, reader.valueStart, reader.valueEnd), row);
      const until = Number.isNaN(row.validUntil) ? "-" : String(row.validUntil);
      assert.equal(row.values.length, featureColumns(view).length);
      rows.push(
        [viewId(view), key.toString(), row.asOf, row.seq, until, text(row.values)].join("|"),
      );
    });
  }
  const hash = createHash("sha256");
  const values = async (topic: string) => {
    const latest = await registry.latest(`${topic}-value`);
    assert.ok(latest);
    const decoder = new AvroDecoder(registry, latest.schema);
    const list: Record<string, unknown>[] = [];
    for (const bytes of (await rawValues(broker, topic)).sort(Buffer.compare)) {
      hash.update(bytes);
      list.push((await decoder.decodeAwaiting(bytes, 0, bytes.length)) as Record<string, unknown>);
    }
    return list;
  };
  const predictions = (await values("air.predictions")).map((value) => {
    const features = Object.values(value["features"] as Record<string, number | null>);
    assert.ok(
      value["featuresAsOf"] === null || Number(value["featuresAsOf"]) < Number(value["knownAt"]),
    );
    return [value["flightId"], value["knownAt"], text(features)].join("|");
  });
  const outcomes = (await values("air.outcomes")).map((value) => {
    const label = value["labelled"] ? Number(value["label"]) : "unlabelled";
    return [value["flightId"], value["knownAt"], label].join("|");
  });
  const late = (await values("air.late")).map(
    (value) => `${value["topic"]}|${(value["key"] as Buffer).toString()}`,
  );
  const models = await values("millrace.models");
  assert.ok(models.length >= 2, "the loop retrains at least twice");
  await values("air.drift");
  await values("air.retrain-requests");
  const output = {
    rows: rows.sort(),
    predictions: predictions.sort(),
    outcomes: outcomes.sort(),
    late: late.sort(),
  };
  return { output, digest: hash.digest("hex") };
}

function text(values: Iterable<number | null>): string {
  return [...values]
    .map((value) => (value === null || Number.isNaN(value) ? "-" : value.toFixed(9)))
    .join(",");
}

async function rawValues(broker: Broker, topic: string): Promise<Buffer[]> {
  const values: Buffer[] = [];
  await readTopic(broker, topic, (reader) => {
    values.push(Buffer.from(reader.buffer.subarray(reader.valueStart, reader.valueEnd)));
  });
  return values;
}

async function readTopic(
  broker: Broker,
  topic: string,
  take: (reader: RecordReader) => void,
): Promise<void> {
  const reader = new RecordReader();
  const partitions = air.topics.find((each) => each.name === topic)?.partitions ?? 0;
  for (let partition = 0; partition < partitions; partition++) {
    let offset = 0;
    for (;;) {
      const fetched: FetchedPartition[] = await broker.fetch({
        partitions: [{ topic, partition, offset, maxBytes: 1 << 26 }],
        isolation: "read_committed",
        maxWaitMs: 0,
        maxBytes: 1 << 26,
      });
      if (fetched[0] === undefined) break;
      reader.open(fetched[0], "read_committed");
      while (reader.next()) take(reader);
      offset = reader.nextOffset;
    }
  }
}

/** Names the first differences instead of printing thousands of lines. */
function compare(actual: OracleOutput, expected: OracleOutput, name: string): void {
  for (const part of ["late", "rows", "predictions", "outcomes"] as const) {
    const missing = minus(expected[part], actual[part]);
    const extra = minus(actual[part], expected[part]);
    const show = { missing: missing.slice(0, 3), extra: extra.slice(0, 3) };
    assert.equal(
      missing.length + extra.length,
      0,
      `${name}, ${part}: ${JSON.stringify(show, null, 1)}`,
    );
  }
}

function minus(left: readonly string[], right: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const each of right) counts.set(each, (counts.get(each) ?? 0) + 1);
  return left.filter((each) => {
    const count = counts.get(each) ?? 0;
    counts.set(each, count - 1);
    return count <= 0;
  });
}
