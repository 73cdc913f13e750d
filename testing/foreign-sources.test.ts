import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir, compareAir } from "./air-output-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { type LogEntry, type SourceLogs, sequentialOracle } from "./sequential-oracle.ts";

const counts: ReadonlyMap<string, number> = new Map([
  ["air.departures", 7],
  ["air.arrivals", 3],
]);

/** The same records, in the partitions that a topic of another size has for them. */
function repartitioned(logs: SourceLogs): SourceLogs {
  return new Map(
    [...logs].map(([topic, partitions]) => {
      const count = counts.get(topic) ?? partitions.length;
      const all = Array.from({ length: count }, (): LogEntry[] => []);
      // Watermarks stand in every partition at the same places.
      const rounds = partitions.map(split);
      for (let round = 0; round < (rounds[0]?.length ?? 0); round++) {
        for (const part of rounds) {
          for (const entry of part[round]?.records ?? []) {
            all[partitionOf(String(entry.record["flightId"]), count)]?.push(entry);
          }
        }
        const before = rounds[0]?.[round]?.before;
        if (before !== undefined) for (const log of all) log.push({ before });
      }
      return [topic, all];
    }),
  );
}

function split(log: readonly LogEntry[]) {
  const rounds: { records: Extract<LogEntry, { record: unknown }>[]; before?: number }[] = [];
  let records: Extract<LogEntry, { record: unknown }>[] = [];
  for (const entry of log) {
    if ("record" in entry) records.push(entry);
    else {
      rounds.push({ records, before: entry.before });
      records = [];
    }
  }
  return [...rounds, { records }];
}

async function world() {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  const options: WorkerOptions = {
    plan: air,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
  };
  return { broker, registry, options };
}

test("sources with other partitions than the plan give what the oracle says, and stay as they are", async () => {
  const { broker, registry, options } = await world();
  // Settings of their producers', which are not ours.
  const config = { "max.message.bytes": "2097152", "compression.type": "zstd" };
  const sources = [...counts].map(([name, partitions]) => ({ name, partitions, config }));
  await broker.createTopics(sources);
  await broker.createTopics(air.topics.filter(({ role }) => role === "watermarks"));
  const logs = repartitioned(makeLogs(11, 300, 5));
  await produceAir(broker, registry, logs);
  const worker = await Worker.start(options);
  const end = endOf(logs);
  await worker.run(AbortSignal.timeout(60_000), () => worker.finished(end));
  await worker.close();
  const { output } = await collectAir(broker, registry);
  compareAir(output, sequentialOracle(air, logs), "other partitions");
  assert.ok(output.predictions.length > 200 && output.outcomes.length > 200);
  const described = await broker.describeTopics([...counts.keys()]);
  assert.deepEqual(new Map(described.map((each) => [each.name, each.partitions])), counts);
  await broker.close();
});

test("a missing source is named with what is near it, and nothing is made", async () => {
  const { broker, options } = await world();
  await broker.createTopics([{ name: "air.departure", partitions: 1, config: {} }]);
  await assert.rejects(Worker.start(options), {
    code: "SOURCE_MISSING",
    message: /air\.departure\b/,
  });
  const standing = await broker.describeTopics();
  assert.deepEqual(
    standing.map(({ name }) => name),
    ["air.departure"],
  );
  await broker.close();
});

test("a run reads a subject of others and writes no version of it", async () => {
  const { broker, registry, options } = await world();
  await broker.createTopics(air.topics);
  const worker = await Worker.start(options);
  for (const { topic } of air.sources) assert.equal(await registry.latest(`${topic}-value`), null);
  await worker.close();
  await broker.close();
});
