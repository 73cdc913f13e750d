/** A producer whose clock is ahead, as whoever runs the process is told of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { openArtifactStore } from "../services/train/artifacts.ts";
import { Application } from "./application.ts";
import { createSources } from "./create-sources.ts";
import type { Stack } from "./stack.ts";

interface Reading {
  readonly sensor: string;
  readonly at: number;
}
const reading = recordSchema<Reading>({
  type: "record",
  name: "Reading",
  fields: [
    { name: "sensor", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
const sensors = from("readings", reading)
  .timedBy("at", { lateness: "10m" })
  .partitionedBy("sensor")
  .keyedBy("sensor")
  .over("1h")
  .compute({ readings: agg.count() })
  .asFeatureView("sensors@1", { ttl: "1d" })
  .into(online);
const plan = topology("ahead", { sensors }, { partitions: 1 });
const noon = Date.UTC(2026, 0, 1, 12);

const folder = mkdtempSync(join(tmpdir(), "millrace-ahead-"));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const [beyond, words] of [
  ["wait", "wait for it"],
  ["refuse", "are refused"],
] as const) {
  test(`a record beyond the clock is warned of once and measured: they ${words}`, async () => {
    const broker = await openEmbeddedBroker({ directory: null });
    const registry = createMemoryRegistry();
    const offline = createMemoryOfflineStore();
    const stack: Stack = {
      ...{ kind: "embedded", broker, registry, offline, files: offline },
      online: createMemoryOnlineStore(),
      artifacts: { of: (name) => openArtifactStore(join(folder, beyond, name)) },
      pids: () => [],
      offlineAddress: null,
      close: () => broker.close(),
    };
    await createSources(broker, [plan]);
    const id = await registry.register("readings-value", reading);
    const producer = await broker.producer({ transactionalId: null });
    const send = async (at: number) => {
      const value = new ByteWriter();
      new AvroEncoder(reading, id).encode({ sensor: "a", at }, value);
      const batch = new RecordBatchBuilder();
      batch.append(Buffer.from("a"), value.take(), at);
      await producer.send([{ topic: "readings", partition: 0, batch: batch.build() }]);
    };
    let now = noon;
    const warned: [string, object][] = [];
    const application = await Application.start({
      ...{ plan, stack, instanceId: "0", scoringThreads: 0 },
      mode: {
        kind: "live",
        now: () => now,
        maxWaitMs: 1_000,
        ahead: { maxAheadMs: 5_000, beyond },
      },
      warn: (text, facts) => void warned.push([text, facts ?? {}]),
    });
    const stop = new AbortController();
    const running = application.run(stop.signal, null);
    const ahead = async () => {
      const text = await application.metrics.registry.metrics();
      const pattern = /^millrace_source_ahead_seconds\{source="readings",partition="0"\} (\S+)$/m;
      return Number(pattern.exec(text)?.[1]);
    };
    assert.equal(await ahead(), 0);
    await send(noon + 65_000);
    while ((await ahead()) === 0) await wait(5);
    assert.equal(await ahead(), 65);
    await send(noon + 70_000);
    now = noon + 66_000;
    await send(now);
    const processed = () => application.accounts()[0]?.processed ?? 0;
    while ((await ahead()) !== 0 || processed() === 0) await wait(5);
    assert.deepEqual(
      warned.map(([text, { topic, aheadMs }]: [string, { topic?: string; aheadMs?: number }]) => [
        text.includes(words),
        topic,
        aheadMs,
      ]),
      [[true, "readings", 65_000]],
    );
    stop.abort();
    await running;
    const [account] = application.accounts();
    assert.equal(account?.late, 0);
    assert.equal((account?.deadLettered ?? 0) > 0, beyond === "refuse");
    await application.close();
    await producer.close();
    await stack.close();
  });
}
