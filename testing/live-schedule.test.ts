import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { isScoreWork, rowStates } from "../processors/scoring/score-work.ts";
import { trainService } from "../processors/train/train-work.ts";
import type { RecordAhead } from "../runtime/engine/live/ahead-watch.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroDecoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { MillraceError } from "../schemas/errors.ts";
import type { Decision } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan } from "../schemas/plan.ts";
import { executeAir } from "./air-input-fixture.ts";
import { collectAir } from "./air-output-fixture.ts";
import { air, explainedAir, makeSent, type Sent } from "./schedule-fixture.ts";
import { runSchedule, seededRandom } from "./simulator.ts";
import { withMethods } from "./with-methods-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;
const schedules = Number(process.env["MILLRACE_SCHEDULES"] ?? 3);
const snapshots = { factor: 0.5, minBytes: 3_000 };
const registry = createMemoryRegistry();

interface World {
  readonly plan: Plan;
  /** Of the plan alone: explained predictions have a schema of their own. */
  readonly registry: SchemaRegistry;
}
const usual: World = { plan: air, registry };
const explained: World = { plan: explainedAir, registry: createMemoryRegistry() };

test("a live run, with its decisions repeated, is read again byte for byte", async () => {
  const kinds = new Map<string, number>();
  let [incomplete, told] = [0, 0];
  for (let seed = 1; seed <= schedules; seed++) {
    const world = seed === 1 ? explained : usual;
    const live = await openEmbeddedBroker({ directory: null });
    await runLive(live, seed, world);
    const decided = await decisionsOf(live, world.registry);
    for (const { kind } of decided) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const expected = await collectAir(live, world.registry, world.plan);
    incomplete += await countIncomplete(live, world.registry);
    told += expected.predictions.filter((each) => each["explanation"] != null).length;
    for (const other of seed === 1 ? [1, 2] : [1]) {
      const again = await openEmbeddedBroker({ directory: null });
      await copyInputs(live, again);
      await runSchedule({
        ...world,
        broker: again,
        execute: async (_, work) => {
          assert.notEqual(
            work.service,
            trainService,
            "answers of trainings are read, not made again",
          );
          return executeAir(work);
        },
        seed: seed * 31 + other,
        crash: 0.005,
        snapshots,
        repeatDecisions: true,
      });
      const read = await collectAir(again, world.registry, world.plan);
      assert.deepEqual(read.output, expected.output, `live ${seed}, read ${other}`);
      assert.equal(read.digest, expected.digest, `live ${seed}, read ${other}`);
      await again.close();
    }
    await live.close();
  }
  for (const kind of ["idle", "ahead", "wait", "place", "deadline", "training"]) {
    assert.ok((kinds.get(kind) ?? 0) > 0, `no decision of kind ${kind}`);
  }
  assert.ok(told > 100, `${told} predictions told why: they prove little`);
  assert.ok(incomplete > 0, "waits that ended left predictions incomplete, and they say so");
});

test("what a worker decided live, its commits failing now and then, is read again byte for byte", async () => {
  for (const seed of [1, 2]) {
    const live = await openEmbeddedBroker({ directory: null });
    const { failures, ahead } = await runLiveWorker(live, seed);
    assert.ok(ahead.length > 0, "no record lay beyond the clock");
    assert.ok(failures > 5, `${failures} failures prove little`);
    const expected = await collectAir(live, registry);
    const again = await openEmbeddedBroker({ directory: null });
    await copyInputs(live, again);
    await runSchedule({
      plan: air,
      broker: again,
      registry,
      execute: async (_, work) => executeAir(work),
      seed,
      repeatDecisions: true,
    });
    const read = await collectAir(again, registry);
    assert.deepEqual(read.output, expected.output, `seed ${seed}`);
    assert.equal(read.digest, expected.digest, `seed ${seed}`);
    await again.close();
    await live.close();
  }
});

test("a record ahead of the clock waits or is refused, and makes none behind it late", async () => {
  const none = Date.UTC(9999, 11, 31);
  for (const [offsets, beyond, refused] of [
    [[0, 8 * minute, 0, 0], "wait", 0],
    [[0, 30 * minute, 0, 0], "wait", 1],
    [[0, 8 * minute, 0, 0], "refuse", 1],
    [[none, 0, 0, 0], "wait", 1],
    [[0, none, 0, 0], "wait", 1],
    [[Date.UTC(1900, 0) - none, 0, 0, 0], "wait", 1],
  ] as const) {
    const broker = await openEmbeddedBroker({ directory: null });
    await broker.createTopics(air.topics);
    const feeder = await broker.producer({ transactionalId: null });
    const [first] = makeSent(1, 400, 2);
    assert.ok(first !== undefined);
    let now = first.at;
    // Of one partition: what is behind it comes while it lies ahead.
    for (const [after, each] of offsets.entries()) {
      const spec = air.sources.find(({ topic }) => topic === first.source);
      const record = { ...first.record, [spec?.timeField ?? ""]: now + after * 1_000 };
      await send(registry, feeder, { ...first, record }, each);
    }
    const end = now + hour;
    const worker = await Worker.start({
      plan: air,
      broker: withMethods<Broker>(broker, {
        fetch: (request) => {
          now += 20_000;
          return broker.fetch({ ...request, maxWaitMs: 0 });
        },
      }),
      registry,
      mode: {
        kind: "live",
        now: () => now,
        maxWaitMs: minute,
        ahead: { maxAheadMs: 5_000, beyond },
      },
      instanceId: "0",
      execute: async (_, work) => executeAir(work),
    });
    await worker.run(AbortSignal.timeout(30_000), () => now > end && worker.finished(end));
    const source = worker.tasks.find((task) => task instanceof SourceTask && task.position === 4);
    const counted = [...(source?.counters.values() ?? [])].flatMap((each) => [
      ...each.filter(({ in: read }) => read > 0),
    ]);
    await worker.close();
    await broker.close();
    assert.ok(counted.length > 0);
    for (const { in: read, late, deadLettered } of counted) {
      assert.deepEqual([read, late, deadLettered], [4, 0, refused], `${offsets} ${beyond}`);
    }
  }
});

/** Time passes and producers send whenever the worker looks for records. */
async function runLiveWorker(
  broker: Broker,
  seed: number,
): Promise<{ failures: number; ahead: RecordAhead[] }> {
  await broker.createTopics(air.topics);
  const feeder = await broker.producer({ transactionalId: null });
  const sent = makeSent(seed, 400, 2);
  const random = seededRandom(seed);
  const last = (sent.at(-1)?.at ?? 0) + 40 * hour;
  let now = sent[0]?.at ?? 0;
  let failures = 0;
  const toFailure = () => 10 + Math.floor(random() * 50);
  let left = toFailure();
  const ahead: RecordAhead[] = [];
  const world = withMethods<Broker>(broker, {
    producer: async (asked) => {
      const producer = await broker.producer(asked);
      return withMethods(producer, {
        commit: async () => {
          await nextTurn();
          const fails = left-- === 0;
          if (fails) left = toFailure();
          if (fails && failures++ % 2 === 0) throw outcomeUnknown;
          await producer.commit();
          if (fails) throw outcomeUnknown;
        },
      });
    },
    fetch: async (request) => {
      now += Math.floor(random() * 2 * minute);
      while ((sent[0]?.at ?? last) <= now && sent.length > 0) {
        await send(registry, feeder, sent.shift() as Sent, random() < 0.05 ? aheadOf(random()) : 0);
      }
      return await broker.fetch({ ...request, maxWaitMs: 0 });
    },
  });
  const worker = await Worker.start({
    plan: air,
    broker: world,
    registry,
    mode: { kind: "live", now: () => now, maxWaitMs: 40 * minute },
    instanceId: "0",
    execute: async (_, work) => {
      for (let turns = Math.floor(random() * 8); turns > 0; turns--) await nextTurn();
      return executeAir(work);
    },
    commitIntervalMs: 0,
    stepBudget: 20,
    onAhead: (each) => ahead.push(each),
  });
  await worker.run(AbortSignal.timeout(60_000), () => now > last && worker.finished(last));
  await worker.close();
  await feeder.close();
  return { failures, ahead };
}

const outcomeUnknown = new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", {
  transactionalId: "a test",
  reason: "a test",
});

/** Sends by the clock, with slow sources and views, crashes, scores that come too late. */
async function runLive(broker: Broker, seed: number, world: World): Promise<void> {
  await broker.createTopics(air.topics);
  const producer = await broker.producer({ transactionalId: null });
  const sent = makeSent(seed, 500, 3);
  const random = seededRandom(seed * 17);
  const [from, last] = [sent[0]?.at ?? 0, sent.at(-1)?.at ?? 0];
  let next = 0;
  await runSchedule({
    ...world,
    broker,
    execute: async (_, work) => {
      const result = executeAir(work);
      if (isScoreWork(work) && work.payload.versionOf.length > 0 && random() < 0.2) {
        result.writeDoubleLE(Number.NaN, 0);
        const { length } = work.payload.versionOf;
        result[length * 16] = random() < 0.7 ? rowStates.late : rowStates.failed;
      }
      return result;
    },
    seed,
    crash: 0.003,
    snapshots,
    speed: (task) => {
      if (task instanceof SourceTask) return task.partition === seed % 4 ? 0.02 : 1;
      return task.subtopology.operator.kind === "view" && task.partition === 1 ? 0.05 : 1;
    },
    live: {
      maxWaitMs: 40 * minute,
      from,
      to: last + 40 * hour,
      stepMs: 15 * minute,
      feed: async (now) => {
        const end = sent.findIndex(({ at }, index) => index >= next && at > now);
        const batch = sent.slice(next, end < 0 ? sent.length : end);
        next += batch.length;
        for (const each of batch) {
          await send(world.registry, producer, each, random() < 0.05 ? aheadOf(random()) : 0);
        }
      },
    },
  });
  assert.equal(next, sent.length);
  await producer.close();
}

/** What waits for the clock, what the lateness of its source lets nobody wait for, and beyond. */
function aheadOf(random: number): number {
  if (random < 0.6) return 8 * minute;
  return random < 0.8 ? 30 * minute : 300 * hour;
}

async function send(
  of: SchemaRegistry,
  producer: Awaited<ReturnType<Broker["producer"]>>,
  { source, record }: Sent,
  aheadMs: number,
): Promise<void> {
  const spec = air.sources.find(({ topic }) => topic === source);
  assert.ok(spec);
  const encoder = await sourceEncoder(of, spec);
  const value = new ByteWriter();
  const time = Number(record[spec.timeField]) + aheadMs;
  encoder.encode({ ...record, [spec.timeField]: time }, value);
  const key = String(record["flightId"]);
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from(key), value.take(), 0);
  const partition = partitionOf(key, 4);
  await producer.send([{ topic: source, partition, batch: builder.build() }]);
}

/** The sources record by record, so that offsets are equal, and what was decided. */
async function copyInputs(from: Broker, to: Broker): Promise<void> {
  await to.createTopics(air.topics);
  const producer = await to.producer({ transactionalId: null });
  for (const { name, partitions, role } of air.topics) {
    if (role !== "source" && role !== "decisions") continue;
    for (let partition = 0; partition < partitions; partition++) {
      const builder = new RecordBatchBuilder();
      await readAll(from, name, partition, (reader) => {
        const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
        const key = buffer.subarray(keyStart, keyEnd);
        builder.append(Buffer.from(key), Buffer.from(buffer.subarray(valueStart, valueEnd)), 0);
      });
      if (builder.count === 0) continue;
      await producer.send([{ topic: name, partition, batch: builder.build() }]);
    }
  }
  await producer.close();
}

async function decisionsOf(broker: Broker, of: SchemaRegistry): Promise<Decision[]> {
  return (await valuesOf(broker, "air.decisions", 1, of)) as unknown as Decision[];
}

async function countIncomplete(broker: Broker, of: SchemaRegistry): Promise<number> {
  const predictions = await valuesOf(broker, "air.predictions", 4, of);
  return predictions.filter(({ incomplete }) => incomplete === true).length;
}

async function valuesOf(broker: Broker, topic: string, partitions: number, of: SchemaRegistry) {
  const latest = await of.latest(`${topic}-value`);
  assert.ok(latest);
  const decoder = new AvroDecoder(of, latest.schema);
  const values: Buffer[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    await readAll(broker, topic, partition, ({ buffer, valueStart, valueEnd }) => {
      values.push(Buffer.from(buffer.subarray(valueStart, valueEnd)));
    });
  }
  const decoded: Record<string, unknown>[] = [];
  for (const value of values) {
    decoded.push({ ...(await decoder.decodeAwaiting(value, 0, value.length)) });
  }
  return decoded;
}

async function readAll(
  broker: Broker,
  topic: string,
  partition: number,
  take: (reader: RecordReader) => void,
): Promise<void> {
  const [end = 0] = await broker.listOffsets([{ topic, partition, at: "latest" }]);
  const reader = new RecordReader();
  for (let offset = 0; offset < end; offset = Math.max(offset, reader.nextOffset)) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: 4_000_000 }],
      isolation: "read_committed",
      maxWaitMs: 100,
      maxBytes: 4_000_000,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    while (reader.next()) take(reader);
  }
}
