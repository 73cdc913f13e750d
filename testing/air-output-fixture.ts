import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import type { Broker } from "../broker/broker.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { progressKey } from "../runtime/engine/task-outbox.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { storedValues } from "../schemas/feature-values.ts";
import { viewId } from "../schemas/feature-view.ts";
import { type Plan, stepsOf } from "../schemas/plan.ts";
import { type FeatureRow, readRow } from "../schemas/row.ts";
import { text } from "./oracle/view.ts";
import { air } from "./schedule-fixture.ts";
import type { OracleOutput } from "./sequential-oracle.ts";

/** What a run left, for comparison with the oracle, and with other runs byte by byte. */
export interface AirOutput {
  readonly output: OracleOutput;
  /** SHA-256 of every committed record but `latencyMs`, partition by partition, in its order. */
  readonly digest: string;
  /** In the order of their topic. */
  readonly predictions: readonly Readonly<Record<string, unknown>>[];
}

/** Reads all that a run committed, as a read_committed reader sees it. */
export async function collectAir(
  broker: Broker,
  registry: SchemaRegistry,
  plan: Plan = air,
): Promise<AirOutput> {
  const hash = createHash("sha256");
  const rows = await rowsOf(plan, broker, hash);
  const values = async (topic: string) => {
    const latest = await registry.latest(`${topic}-value`);
    assert.ok(latest);
    const decoder = new AvroDecoder(registry, latest.schema);
    const encoder = new AvroEncoder(latest.schema, latest.id);
    const list: Record<string, unknown>[] = [];
    const found = await rawValues(broker, topic);
    // Both sources write there: their order among each other is nobody's promise.
    if (topic === "air.late" || topic === "air.dead-letters") found.sort(Buffer.compare);
    for (const bytes of found) {
      const value = await decoder.decodeAwaiting(bytes, 0, bytes.length);
      list.push(value as Record<string, unknown>);
      if (topic === "air.predictions") hash.update(unmeasured(encoder, value));
      else hash.update(bytes);
    }
    return list;
  };
  const predicted = await values("air.predictions");
  const predictions = predicted.map((value) => {
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
  const ahead = (await values("air.dead-letters"))
    .filter(({ code }) => code === "EVENT_TIME_AHEAD")
    .map(({ topic, key }) => `${topic}|${(key as Buffer).toString()}`);
  const models = await values("air.models");
  assert.ok(models.length >= 2, "the loop retrains at least twice");
  await values("air.drift");
  await values("air.retrain-requests");
  const output = {
    rows: rows.sort(),
    predictions: predictions.sort(),
    outcomes: outcomes.sort(),
    late: late.sort(),
    ahead: ahead.sort(),
  };
  return { output, digest: hash.digest("hex"), predictions: predicted };
}

/** A prediction without what a clock measured. */
function unmeasured(encoder: AvroEncoder, prediction: object): Buffer {
  const bytes = new ByteWriter();
  encoder.encode({ ...prediction, latencyMs: 0 }, bytes);
  return bytes.take();
}

/** Feature rows as text; their keys and bytes go into the hash. */
export async function rowsOf(
  plan: Plan,
  broker: Broker,
  hash: Hash = createHash("sha256"),
): Promise<string[]> {
  const rows: string[] = [];
  const values = new Float64Array();
  const row: FeatureRow = { served: 0, asOf: 0, seq: 0, validUntil: 0, values };
  for (const view of stepsOf(plan, "view")) {
    const name = `air.${view.name}.v${view.version}.rows`;
    await readTopic(broker, name, ({ buffer, keyStart, keyEnd, valueStart, valueEnd }) => {
      const key = buffer.subarray(keyStart, keyEnd);
      if (key.equals(progressKey)) return;
      hash.update(key).update(buffer.subarray(valueStart, valueEnd));
      readRow(new ByteReader(buffer, valueStart, valueEnd), row);
      const until = Number.isNaN(row.validUntil) ? "-" : String(row.validUntil);
      const features = text(storedValues(view, row));
      rows.push([viewId(view), key.toString(), row.asOf, row.seq, until, features].join("|"));
    });
  }
  return rows;
}

async function rawValues(broker: Broker, topic: string): Promise<Buffer[]> {
  const values: Buffer[] = [];
  await readTopic(broker, topic, (reader) => {
    values.push(Buffer.from(reader.buffer.subarray(reader.valueStart, reader.valueEnd)));
  });
  return values;
}

/** Partition by partition, in order, to the ends as they are now. */
async function readTopic(
  broker: Broker,
  topic: string,
  take: (reader: RecordReader) => void,
): Promise<void> {
  const reader = new RecordReader({ checkCrc: true });
  const [{ partitions = 0 } = {}] = await broker.describeTopics([topic]);
  for (let partition = 0; partition < partitions; partition++) {
    const [end = 0] = await broker.listOffsets([{ topic, partition, at: "latest" }]);
    for (let offset = 0; offset < end; ) {
      const [fetched] = await broker.fetch({
        partitions: [{ topic, partition, offset, maxBytes: 1 << 26 }],
        isolation: "read_committed",
        maxWaitMs: 1000,
        maxBytes: 1 << 26,
      });
      if (fetched === undefined) continue;
      reader.open(fetched, "read_committed");
      while (reader.next()) take(reader);
      offset = reader.nextOffset;
    }
  }
}

/** Names the first differences instead of printing thousands of lines. */
export function compareAir(actual: OracleOutput, expected: OracleOutput, name: string): void {
  for (const part of ["late", "ahead", "rows", "predictions", "outcomes"] as const) {
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
