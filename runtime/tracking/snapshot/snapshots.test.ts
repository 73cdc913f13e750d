import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../../broker/embedded/embedded-broker.ts";
import { ForwardingBroker } from "../../../broker/forwarding.ts";
import { openKafkaBroker } from "../../../broker/kafka/kafka-broker.ts";
import { RecordBatchBuilder } from "../../../broker/record-batch/builder.ts";
import { type SnapshotEnd, snapshotKeys } from "../../../schemas/tracking-snapshot.ts";
import { startKafka } from "../../../stacks/local/kafka.ts";
import { requirement } from "../../../testing/requirements-fixture.ts";
import { trackingTopic } from "../../../topologies/dsl/compile/topics.ts";
import { flights } from "../../../topologies/flights/flights.ts";
import { TrackingFold } from "../fold/tracking-fold.ts";
import type { TrackingState } from "../fold/tracking-state.ts";
import { TrackingLog, type TrackingLogOptions } from "../tracking-log.ts";
import { TrackingReader } from "../tracking-reader.ts";
import { stateLines } from "./state-lines.ts";

const topic = trackingTopic(flights.name);
const place = { topic, partition: 0 };
const opened: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of opened.reverse()) await close();
});

async function embedded(): Promise<Broker> {
  const broker = await openEmbeddedBroker({ directory: null });
  opened.push(() => broker.close());
  await prepare(broker);
  return broker;
}

async function prepare(broker: Broker): Promise<void> {
  await broker.createTopics(flights.topics.filter(({ name }) => name === topic));
}

function logOf(broker: Broker, options: TrackingLogOptions = {}): TrackingLog {
  const log = new TrackingLog(broker, topic, { snapshotAfterBytes: 20_000, ...options });
  opened.push(() => log.close());
  return log;
}

/** Where the log begins and ends. */
async function range(broker: Broker): Promise<[from: number, end: number]> {
  const [from = 0, end = 0] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "stable" },
  ]);
  return [from, end];
}

/** As one text, in the order of the state. */
const told = (state: TrackingState) => [...stateLines(new TrackingFold(state))].join("\n");

let runs = 0;
/** Logs a run with so many points of a metric, 100 a command. */
async function logRun(log: TrackingLog, points: number): Promise<string> {
  const run = `r${runs++}`;
  const made = { run, experiment: "0", user: "", name: run, startTime: 1, tags: [] };
  await log.write("run.create", "somebody", made);
  for (let from = 0; from < points; from += 100) {
    const metrics = Array.from({ length: 100 }, (_, i) => {
      return { key: "loss", value: 1 / (from + i + 1), timestamp: from + i, step: from + i };
    });
    await log.write("run.log", "somebody", { run, metrics, params: [], tags: [] });
    await log.settled();
  }
  return run;
}

async function append(broker: Broker, key: string, value: object): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  const batch = new RecordBatchBuilder();
  batch.append(Buffer.from(key), Buffer.from(JSON.stringify(value)), 1);
  await producer.send([{ ...place, batch: batch.build() }]);
  await producer.close();
}

/** Of the snapshots that stand in the log. */
async function ends(broker: Broker): Promise<SnapshotEnd[]> {
  const found: SnapshotEnd[] = [];
  for await (const page of committedPages(broker, topic, 0)) {
    for (const { key, value } of page) {
      if (key?.toString() === snapshotKeys.end) found.push(JSON.parse(String(value)));
    }
  }
  return found;
}

/** What a broker, whichever, has to show for it. */
async function months(broker: Broker): Promise<void> {
  const [one, other] = [logOf(broker), logOf(broker)];
  await one.write("name.create", "first", { name: "m", tags: [], description: "" });
  const logged: string[] = [];
  for (let round = 0; round < 8; round++) {
    const both = await Promise.all([logRun(one, 2_000), logRun(other, 2_000)]);
    logged.push(...both);
    const description = `round ${round}`;
    await one.write("name.describe", "describer", { name: "m", description });
  }
  const [start, end] = await range(broker);
  assert.ok(start > 0, "the log has been shortened");
  assert.ok(end - start < end / 2, `${end - start} records of ${end} are left`);
  const covers = (await ends(broker)).map((each) => each.covers).sort((a, b) => b - a);
  assert.equal(start, covers[1], "it begins where the snapshot before the newest leaves off");
  const states = await Promise.all([one, other, logOf(broker)].map((log) => log.read()));
  for (const state of states) {
    assert.equal(told(state), told(states[0] as TrackingState));
    for (const run of logged) {
      const points = state.runs.get(run)?.metrics.get("loss")?.points ?? [];
      assert.deepEqual(
        points.map(({ step }) => step),
        Array.from({ length: 2_000 }, (_, step) => step),
      );
    }
    const notes = state.modelHistory.get("m")?.map(({ by, what, to }) => `${by} ${what} ${to}`);
    const rounds = Array.from({ length: 8 }, (_, round) => `describer describe round ${round}`);
    assert.deepEqual(notes, ["first create m", ...rounds], "the history of a model is whole");
  }
}

test("what two gateways log for long is all there for a third, and the log stays short", async () => {
  await months(await embedded());
});

const skip = requirement("java", "maven");
test("so it is on Kafka", { skip }, async (t: TestContext) => {
  const directory = await mkdtemp(join(tmpdir(), "millrace-kafka-"));
  const kafka = await startKafka({ directory });
  const broker = await openKafkaBroker({ brokers: kafka.brokers, clientId: "tracking" });
  t.after(async () => {
    await broker.close();
    await kafka.kill();
    await rm(directory, { recursive: true, force: true });
  });
  await prepare(broker);
  await months(broker);
});

test("the state stays as it is while it is held, and who reads it waits", async () => {
  const broker = await embedded();
  const reader = new TrackingReader(broker, topic, { applied: () => {}, warn: () => {} });
  await reader.read();
  const told: string[] = [];
  let release = () => {};
  const held = reader.holding(async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
    told.push("held");
  });
  const log = logOf(broker);
  await log.write("experiment.create", "x", { name: "e", location: "", tags: [] });
  const reading = reader.read().then(() => told.push("read"));
  const again = reader.holding(async () => told.push("held again"));
  // Others read and write meanwhile.
  await log.write("experiment.delete", "x", { experiment: "1" });
  assert.equal(reader.offset, 0);
  release();
  await Promise.all([held, reading, again]);
  assert.equal(told[0], "held");
  assert.deepEqual([...told].sort(), ["held", "held again", "read"]);
  assert.equal(reader.offset, 2);
});

test("a gateway that lags behind what was deleted goes on from a snapshot", async () => {
  const broker = await embedded();
  const lagging = logOf(broker);
  await lagging.write("experiment.create", "x", { name: "first", location: "", tags: [] });
  const ahead = logOf(broker);
  await logRun(ahead, 5_000);
  const [start] = await range(broker);
  assert.ok(start > 1);
  assert.equal(told(await lagging.read()), told(await ahead.read()));
  await logRun(lagging, 100);
});

test("a snapshot that is cut short or damaged is passed over, and what it covers stays", async () => {
  const broker = await embedded();
  const log = logOf(broker);
  await logRun(log, 5_000);
  const [start, end] = await range(broker);
  assert.ok(start > 0);
  // One that ended between its parts, and one whose bytes are others.
  await append(broker, snapshotKeys.part, { kind: "snapshot.part", id: "cut", part: 0, data: "" });
  const damaged: SnapshotEnd = {
    ...{ kind: "snapshot", id: "damaged", at: 1, format: 1, covers: end, from: end, parts: 1 },
    ...{ sha256: "00", stateBytes: 100, logBytes: 1e6 },
  };
  await append(broker, snapshotKeys.part, {
    ...{ kind: "snapshot.part", id: "damaged", part: 0, data: "AAAA" },
  });
  await append(broker, snapshotKeys.end, damaged);
  const state = told(await log.read());
  const warned: unknown[] = [];
  const results: string[] = [];
  const fresh = logOf(broker, {
    warn: (_, facts) => warned.push(facts["covers"]),
    snapshotted: (result) => results.push(result),
  });
  assert.equal(told(await fresh.read()), state);
  assert.deepEqual([warned, results], [[end], ["unreadable"]]);
  // It writes its own, and never deletes up to the damaged one before two that are whole.
  await logRun(fresh, 600);
  const [later] = await range(broker);
  assert.ok(later < end, `the log begins at ${later}`);
  assert.equal(told(await logOf(broker).read()), told(await fresh.read()));
});

test("parts without an end, and an end without a deletion, cost no more than room", async () => {
  const broker = await embedded();
  let failing = 0;
  const faults = new (class extends ForwardingBroker {
    override async deleteRecords(...given: Parameters<Broker["deleteRecords"]>): Promise<void> {
      if (failing++ < 2) throw new Error("the process ends here");
      await super.deleteRecords(...given);
    }
  })(broker);
  const log = logOf(faults);
  while (failing < 2) await logRun(log, 500);
  assert.equal((await range(broker))[0], 0);
  assert.equal(told(await logOf(broker).read()), told(await log.read()));
  await logRun(log, 3_000);
  assert.ok((await range(broker))[0] > 0, "the next one deletes");
  assert.equal(told(await logOf(broker).read()), told(await log.read()));
});

test("a snapshot of a later version is named, where there is no other way to start", async () => {
  const broker = await embedded();
  const log = logOf(broker, { snapshotAfterBytes: 1e9 });
  await logRun(log, 1_000);
  const [, end] = await range(broker);
  await append(broker, snapshotKeys.end, {
    ...{ kind: "snapshot", id: "later", at: 1, format: 2, covers: end, from: end, parts: 1 },
    ...{ sha256: "00", stateBytes: 1, logBytes: 1 },
  });
  // All of the log is there still; what it knows of it is less than the later version does.
  const whole = logOf(broker);
  assert.equal(told(await whole.read()), told(await log.read()));
  await logRun(whole, 3_000);
  assert.equal((await range(broker))[0], 0, "it neither writes snapshots nor deletes");
  await broker.deleteRecords([{ ...place, offset: end }]);
  await assert.rejects(logOf(broker).read(), {
    code: "TRACKING_UNREADABLE",
    message: /begins at offset \d+.*a later version of Millrace has written it, in format 2/,
  });
});

test("no snapshot is written by who skips commands of a later version", async () => {
  const broker = await embedded();
  const log = logOf(broker);
  await append(broker, "a", { id: "a", at: 1, by: "x", kind: "of.later" });
  await logRun(log, 3_000);
  const [start, end] = await range(broker);
  assert.deepEqual([start, end], [0, 32]);
});

test("a write whose outcome a snapshot has swallowed says that it does not know", async () => {
  const broker = await embedded();
  const other = logOf(broker);
  let overtakes = false;
  const slow = new (class extends ForwardingBroker {
    override async producer(...given: Parameters<Broker["producer"]>) {
      const made = await super.producer(...given);
      const send = made.send.bind(made);
      made.send = async (batches) => {
        const offsets = await send(batches);
        if (overtakes) {
          overtakes = false;
          await logRun(other, 3_000);
        }
        return offsets;
      };
      return made;
    }
  })(broker);
  const log = logOf(slow);
  await log.read();
  overtakes = true;
  await assert.rejects(
    log.write("experiment.create", "x", { name: "swallowed", location: "", tags: [] }),
    { code: "TRACKING_OUTCOME_UNKNOWN" },
  );
  assert.ok((await log.read()).experimentsByName.has("swallowed"));
});

test("the limit counts what a snapshot takes, not what was logged for it", async () => {
  const broker = await embedded();
  const log = logOf(broker, { sizeBytesMost: 250_000 });
  // 80,000 bytes of points and 50,000 of tags each.
  for (let i = 0; i < 5; i++) {
    const run = await logRun(log, 1_000);
    // Tags that are written again and again are one.
    for (let again = 0; again < 10; again++) {
      const tags = [{ key: "note", value: "x".repeat(5_000) }];
      await log.write("run.log", "x", { run, metrics: [], params: [], tags });
      await log.settled();
    }
  }
  await assert.rejects(
    (async () => {
      for (let i = 0; i < 20; i++) await logRun(log, 1_000);
    })(),
    { code: "TRACKING_FULL" },
  );
});
