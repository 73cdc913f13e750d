import assert from "node:assert/strict";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { branchAccounts } from "../runtime/engine/accounting.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { watermark } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { AvroSchema, Plan, TopicSpec } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { createMemoryOfflineStore } from "../sinks/memory/memory.ts";
import { standIn } from "../testing/driver-models.ts";
import { type DriverRecord, readAll, send } from "../testing/driver-topics.ts";
import { from } from "../topologies/dsl/stream.ts";
import { verifyRun } from "./verify-run.ts";

export interface Payment {
  readonly id: string;
  readonly shop: string;
  readonly note: string;
  readonly till: string;
  readonly at: number;
}

const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "shop", type: "string" },
    { name: "note", type: "string" },
    { name: "till", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
export const payments = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id")
  .identifiedBy("id");
export const noon = Date.UTC(2026, 0, 1, 12);

/** A plan with topics of less room than ours have. */
export function narrow(plan: Plan, limits: Readonly<Record<string, number>>): Plan {
  const topics = plan.topics.map((each): TopicSpec => {
    const bytes = limits[each.name];
    if (bytes === undefined) return each;
    return { ...each, config: { ...each.config, "max.message.bytes": String(bytes) } };
  });
  return { ...plan, topics };
}

interface Sent {
  readonly payment: Pick<Payment, "id" | "at">;
  /** What stands in the place of the note's bytes: bytes that are no UTF-8. */
  readonly fill?: number;
  readonly headers?: readonly { readonly key: string; readonly value: Buffer }[];
}

/** Says that no record before an instant follows. */
async function endAt(broker: Broker, registry: SchemaRegistry, of: Plan, before: number) {
  const marks = watermarksTopic(of.name, "payments");
  const places = Array.from({ length: of.partitions }, (_, partition) => partition);
  const endOffsets = await broker.listOffsets(
    places.map((partition) => ({ topic: "payments", partition, at: "latest" as const })),
  );
  const id = await registry.register(`${marks}-value`, watermark);
  const value = new ByteWriter();
  new AvroEncoder(watermark, id).encode({ before, endOffsets }, value);
  const producer = await broker.producer({ transactionalId: null });
  await send(producer, marks, 0, null, value.take(), before);
}

/** Runs a plan over payments to the end; what came of it. */
export async function runOver(of: Plan, sent: readonly Sent[], schema: AvroSchema = payment) {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(of.topics);
  const id = await registry.register("payments-value", schema);
  const producer = await broker.producer({ transactionalId: null });
  for (const { payment: record, fill, headers } of sent) {
    const value = new ByteWriter();
    new AvroEncoder(schema, id).encode(record, value);
    const bytes = value.take();
    const from = bytes.indexOf("~");
    if (fill !== undefined) bytes.fill(fill, from, bytes.lastIndexOf("~") + 1);
    const builder = new RecordBatchBuilder();
    builder.append(Buffer.from(record.id), bytes, record.at, headers);
    const partition = partitionOf(record.id, of.partitions);
    await producer.send([{ topic: "payments", partition, batch: builder.build() }]);
  }
  await endAt(broker, registry, of, noon + 7_200_000);
  const worker = await Worker.start({
    plan: of,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => standIn(work, {}, 0),
    commitIntervalMs: 0,
    idleWaitMs: 0,
  });
  await worker.run(new AbortController().signal, () => worker.caughtUp());
  const accounts = branchAccounts(of, worker.tasks);
  await worker.close();
  const checked = { ...of, stored: [] };
  const store = createMemoryOfflineStore();
  const report = await verifyRun({ plan: checked, broker, registry, offline: store });
  const letters: DriverRecord[] = [];
  const latest = await registry.latest(`${of.name}.dead-letters-value`);
  assert.ok(latest);
  for (let partition = 0; partition < of.partitions; partition++) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic: `${of.name}.dead-letters`, partition, offset: 0, maxBytes: 1 << 26 }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes: 1 << 26,
    });
    if (fetched) await readAll(fetched, new AvroDecoder(registry, latest.schema), letters);
  }
  await broker.close();
  return { accounts, report, letters: letters.map(({ value }) => value) };
}

export function makePayment(id: string, fields: Partial<Payment> = {}): Payment {
  return { id, shop: "s", note: "n", till: "t", at: noon, ...fields };
}

export function assertBalanced(accounts: ReturnType<typeof branchAccounts>): void {
  for (const { in: read, processed, late, deadLettered, filtered } of accounts) {
    assert.equal(read, processed + late + deadLettered + filtered);
  }
}
