import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker, Producer } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { layout, writeInt64 } from "../broker/record-batch/layout.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { isScoreWork } from "../processors/scoring/score-work.ts";
import { branchAccounts } from "../runtime/engine/accounting.ts";
import { defaultSnapshots } from "../runtime/engine/merge-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { type ErrorCode, errorOf, MillraceError } from "../schemas/errors.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { type FeatureRow, readRow } from "../schemas/row.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir, compareAir } from "./air-output-fixture.ts";
import { air, makeLogs, scatteredAir } from "./schedule-fixture.ts";
import { sequentialOracle } from "./sequential-oracle.ts";
import { seededRandom } from "./simulator.ts";
import { withMethods } from "./with-methods-fixture.ts";

const logs = makeLogs(1, 400, 5);
const expected = sequentialOracle(air, logs);

/** A broker of the whole input, and a worker's options that go with it. */
async function filled(): Promise<{ broker: Broker; options: WorkerOptions }> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  const options: WorkerOptions = {
    plan: air,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    stepBudget: 10,
  };
  return { broker, options };
}

async function runToEnd(worker: Worker): Promise<void> {
  const end = endOf(logs);
  const done = async () => worker.finished(end) && (await worker.caughtUp());
  await worker.run(AbortSignal.timeout(60_000), done);
}

test("nothing is committed between a commit that failed and the restore that it asks for", async () => {
  const { broker, options } = await filled();
  const context = { group: air.name, generation: 1 };
  let commits = 0;
  let refuse: (() => void) | null = null;
  const refused = (producer: Producer) =>
    withMethods(producer, {
      sendOffsets: (group, offsets, member) => {
        if (++commits % 5 !== 0) return producer.sendOffsets(group, offsets, member);
        return new Promise((_, reject) => {
          refuse = () => reject(new MillraceError("ILLEGAL_GENERATION", context));
        });
      },
    });
  const unsteady = withMethods<Broker>(broker, {
    producer: async (asked) => refused(await broker.producer(asked)),
    // The refusal comes while the loop waits for records.
    fetch: async (request) => {
      const fetched = await broker.fetch(request);
      refuse?.();
      refuse = null;
      await nextTurn();
      return fetched;
    },
  });
  const worker = await Worker.start({ ...options, broker: unsteady });
  await runToEnd(worker);
  await worker.close();
  assert.ok(commits > 20, `${commits} commits prove little`);
  const { output } = await collectAir(broker, options.registry);
  compareAir(output, expected, "refused now and then");
  await broker.close();
});

test("a result that its task cannot take ends the run with the error, like work that fails", async () => {
  const { broker, options } = await filled();
  const execute = async () => Buffer.alloc(1);
  const worker = await Worker.start({ ...options, execute });
  await assert.rejects(runToEnd(worker), RangeError);
  await worker.close();
  await broker.close();
});

test("a state beyond its budget stops the run by name, and more of it goes on to the same end", async () => {
  const { broker, options } = await filled();
  const stopped = await Worker.start({
    ...options,
    snapshots: { ...defaultSnapshots, budgetBytes: 1_000 },
  });
  await assert.rejects(runToEnd(stopped), (error: MillraceError) => {
    assert.equal(error.code, "STATE_BUDGET");
    assert.match(String(error.context["task"]), /@1\/\d$|predictions\/\d$|retraining\/0$/);
    assert.ok(Number(error.context["bytes"]) > 1_000);
    return true;
  });
  await stopped.close();
  const worker = await Worker.start(options);
  await runToEnd(worker);
  const sizes = worker.tasks.map(({ subtopology, state }) => ({ name: subtopology.name, state }));
  for (const { name, state } of sizes) {
    if (name.includes("@")) assert.ok((state?.keys ?? 0) > 0 && (state?.bytes ?? 0) > 0, name);
  }
  await worker.close();
  const { output } = await collectAir(broker, options.registry);
  compareAir(output, expected, "stopped by its budget");
  await broker.close();
});

test("a worker that cannot start leaves the group, and the next one need not wait for it", async () => {
  const { broker, options } = await filled();
  const failing = withMethods<Broker>(broker, {
    committed: async () => {
      throw new MillraceError("BROKER_CLOSED", { request: "a test" });
    },
  });
  await assert.rejects(Worker.start({ ...options, broker: failing }), { code: "BROKER_CLOSED" });
  const worker = await Worker.start({ ...options, instanceId: "1" });
  await runToEnd(worker);
  await worker.close();
  await broker.close();
});

test("a worker whose models stand apart from those of the others is refused, and they go on", async () => {
  const { broker, options } = await filled();
  const artifacts = { id: "a", where: "directory /a" };
  const worker = await Worker.start({ ...options, artifacts });
  const stop = new AbortController();
  // The others join while it runs, which hears of them and takes its share.
  const running = worker.run(stop.signal);
  const apart = { id: "b", where: "directory /b" };
  await assert.rejects(Worker.start({ ...options, instanceId: "1", artifacts: apart }), {
    code: "ARTIFACTS_APART",
    message: /^0, which runs air too, keeps its models in directory \/a, .* in directory \/b:/,
  });
  const moved = { id: "a", where: "directory /mnt/a" };
  const second = await Worker.start({ ...options, instanceId: "2", artifacts: moved });
  await second.close();
  stop.abort();
  await running;
  await runToEnd(worker);
  await worker.close();
  const { output } = await collectAir(broker, options.registry);
  compareAir(output, expected, "beside one that was refused");
  await broker.close();
});

test("whatever time a record's timestamp names, it becomes a dead letter and stops nothing", async () => {
  const { broker, options } = await filled();
  const producer = await broker.producer({ transactionalId: null });
  const nanoseconds = Date.UTC(2026, 0, 1) * 1_000_000;
  for (const timestamp of [-1, 2 ** 52, nanoseconds, -nanoseconds]) {
    const builder = new RecordBatchBuilder();
    builder.append(null, Buffer.from("no Avro"), 0);
    const batch = builder.build();
    writeInt64(batch.encoded, timestamp, layout.baseTimestamp);
    writeInt64(batch.encoded, timestamp, layout.maxTimestamp);
    await producer.send([{ topic: "air.departures", partition: 0, batch }]);
  }
  const worker = await Worker.start(options);
  await runToEnd(worker);
  await worker.close();
  const [end = 0] = await broker.listOffsets([
    { topic: "air.dead-letters", partition: 0, at: "latest" },
  ]);
  assert.ok(end >= 4, `${end} of 4 dead letters`);
  await broker.close();
});

test("while a commit is under way its tasks gather no more than the next one may hold", async () => {
  const { broker, options } = await filled();
  const { registry } = options;
  const [source] = air.sources.filter(({ topic }) => topic === "air.arrivals");
  assert.ok(source);
  const encoder = await sourceEncoder(registry, source);
  const producer = await broker.producer({ transactionalId: null });
  const record = { flightId: 1, arrivedAt: endOf(logs), destination: "B", delayMinutes: 1 };
  const origin = "A".repeat(200_000);
  const partition = partitionOf("1", 4);
  for (let sent = 0; sent < 100; sent++) {
    const good = new ByteWriter();
    encoder.encode({ ...record, origin }, good);
    const builder = new RecordBatchBuilder();
    builder.append(Buffer.from("1"), good.take(), 0);
    builder.append(Buffer.from("2"), Buffer.alloc(200_000), 0);
    await producer.send([{ topic: source.topic, partition, batch: builder.build() }]);
  }
  const totalBytes = 100 * 400_000;
  const largest = { bytes: 0 };
  let turns = 0;
  const slow = (of: Producer) =>
    withMethods(of, {
      // As long as 60 looks for records, each of which may bring 2 MiB of them, or until nobody
      // looks, since all that is wanted is there.
      commit: async () => {
        const until = turns + 60;
        for (let [last, still] = [turns, 0]; turns < until && still < 2_000; still++) {
          if (turns > last) [last, still] = [turns, 0];
          await nextTurn();
        }
        await of.commit();
      },
    });
  const unsteady = withMethods<Broker>(broker, {
    producer: async (asked) => slow(await broker.producer(asked)),
    fetch: async (request) => {
      turns++;
      return await broker.fetch({ ...request, maxWaitMs: 0 });
    },
  });
  const worker = await Worker.start({
    ...options,
    broker: unsteady,
    stepBudget: 2_000,
    onCommit: ({ bytes }) => {
      largest.bytes = Math.max(largest.bytes, bytes);
    },
  });
  await runToEnd(worker);
  await worker.close();
  // The source, a view and the scoring task work at a time, on 64 MiB shared by 22 tasks.
  assert.ok(largest.bytes < totalBytes / 2, `a commit of ${largest.bytes} bytes`);
  await broker.close();
});

test("a plan that starts on a source whose oldest records are deleted begins with the first that stands", async () => {
  const { broker, options } = await filled();
  const place = { topic: "air.arrivals", partition: 0 };
  const [end = 0] = await broker.listOffsets([{ ...place, at: "latest" }]);
  await broker.deleteRecords([{ ...place, offset: 10 }]);
  const worker = await Worker.start(options);
  await runToEnd(worker);
  const accounts = branchAccounts(air, worker.tasks);
  const labels = accounts.find(({ branch, partition }) => branch === "outcomes" && partition === 0);
  assert.equal(labels?.in, end - 10);
  await worker.close();
  await broker.close();
});

test("commits that overlap with steps and fail anywhere, their end unknown, leave every record once", async () => {
  const digests = new Set<string>();
  for (const seed of [0, 1, 2, 3]) {
    const { broker, options } = await filled();
    const random = seededRandom(seed);
    let failures = 0;
    const stumble = async (code: ErrorCode) => {
      for (let turns = Math.floor(random() * 4); turns > 0; turns--) await nextTurn();
      if (seed === 0 || random() > 0.03) return;
      failures++;
      throw errorOf(code, { transactionalId: "a test", reason: "a test" });
    };
    const unsteady = withMethods<Broker>(broker, {
      producer: async (asked) => {
        const producer = await broker.producer(asked);
        if (asked.transactionalId === null) return producer;
        return withMethods(producer, {
          send: async (batches) => {
            await stumble("PRODUCER_FENCED");
            return await producer.send(batches);
          },
          commit: async () => {
            await stumble("ILLEGAL_GENERATION");
            await producer.commit();
            await stumble("TRANSACTION_OUTCOME_UNKNOWN");
          },
        });
      },
    });
    // Live does so, a replay does not: the records are the same.
    const handsOver = seed % 2 === 0;
    const worker = await Worker.start({ ...options, broker: unsteady, handsOver });
    await runToEnd(worker);
    await worker.close();
    assert.equal(failures > 5, seed > 0, `${failures} failures`);
    const { output, digest } = await collectAir(broker, options.registry);
    compareAir(output, expected, `seed ${seed}`);
    digests.add(digest);
    await broker.close();
  }
  assert.equal(digests.size, 1, "every record is the same, at the same place");
});

test("what a task has committed as its progress is behind it: no row below it follows", async () => {
  const { broker, options } = await filled();
  const places = [0, 1, 2, 3].map((partition) => ({
    topic: "air.origin_delays.v1.inbox",
    partition,
  }));
  const topic = "air.origin_delays.v1.rows";
  const rows = places.map(({ partition }) => ({ topic, partition }));
  const seen: { partition: number; progress: number; rowsBefore: number }[] = [];
  const watching = withMethods<Broker>(broker, {
    producer: async (asked) => {
      const producer = await broker.producer(asked);
      return withMethods(producer, {
        commit: async () => {
          await producer.commit();
          const committed = await broker.committed(air.name, places);
          const ends = await broker.listOffsets(rows.map((row) => ({ ...row, at: "latest" })));
          for (const [partition, { metadata }] of committed.entries()) {
            const progress = Number(metadata.split(" ")[0] || Number.NEGATIVE_INFINITY);
            seen.push({ partition, progress, rowsBefore: ends[partition] as number });
          }
        },
      });
    },
  });
  const worker = await Worker.start({ ...options, broker: watching });
  await runToEnd(worker);
  await worker.close();
  const row: FeatureRow = { served: 0, asOf: 0, seq: 0, validUntil: 0, values: new Float64Array() };
  const reader = new RecordReader();
  for (const { partition, progress, rowsBefore } of seen) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic, partition, offset: rowsBefore, maxBytes: 1 << 20 }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes: 1 << 20,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    while (reader.next()) {
      if (reader.keyEnd - reader.keyStart === 1) continue;
      readRow(new ByteReader(reader.buffer, reader.valueStart, reader.valueEnd), row);
      assert.ok(row.asOf >= progress, `a row of ${row.asOf} follows progress ${progress}`);
    }
  }
  await broker.close();
});

test("a task that always has work outside is committed at the interval all the same", async () => {
  const { broker, options } = await filled();
  let works = 0;
  let committed = 0;
  const counting = withMethods<Broker>(broker, {
    producer: async (asked) => {
      const producer = await broker.producer(asked);
      return withMethods(producer, {
        sendOffsets: async (group, offsets, member) => {
          await nextTurn();
          committed += offsets.filter(({ topic }) => topic === "air.predictions.inbox").length;
          await producer.sendOffsets(group, offsets, member);
        },
      });
    },
  });
  const execute: WorkerOptions["execute"] = async (_, work) => {
    if (isScoreWork(work)) works++;
    await nextTurn();
    return executeAir(work);
  };
  const worker = await Worker.start({ ...options, broker: counting, execute });
  await runToEnd(worker);
  await worker.close();
  assert.ok(works > 100, `${works} works prove little`);
  assert.ok(works <= committed + 4, `${works} works in ${committed} commits of four tasks`);
  await broker.close();
});

test("a record that would not fit into the late topic with its key is oversize, though its value is not", async () => {
  const { broker, options } = await filled();
  const [source] = scatteredAir.sources.filter(({ topic }) => topic === "air.arrivals");
  assert.ok(source);
  const encoder = await sourceEncoder(options.registry, source);
  const late = { flightId: 1, arrivedAt: 0, destination: "B", delayMinutes: 1 };
  const value = new ByteWriter();
  encoder.encode({ ...late, origin: "A".repeat(300_000) }, value);
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.alloc(400_000, "k"), value.take(), 0);
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic: source.topic, partition: 2, batch: builder.build() }]);
  const worker = await Worker.start({ ...options, plan: scatteredAir });
  await runToEnd(worker);
  const account = branchAccounts(air, worker.tasks).find(
    ({ branch, partition }) => branch === "outcomes" && partition === 2,
  );
  assert.equal(account?.deadLettered, 1);
  await worker.close();
  await broker.close();
});
