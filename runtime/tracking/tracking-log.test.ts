import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import type { TrackingCommands } from "../../schemas/tracking-command.ts";
import { trackingTopic } from "../../topologies/dsl/compile/topics.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { TrackingLog } from "./tracking-log.ts";

const topic = trackingTopic(flights.name);
const opened: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of opened.reverse()) await close();
});

async function kafka(): Promise<Broker> {
  const broker = await openEmbeddedBroker({ directory: null });
  opened.push(() => broker.close());
  await broker.createTopics(flights.topics.filter(({ name }) => name === topic));
  return broker;
}

function logOf(broker: Broker, sizeBytesMost = 1e8): TrackingLog {
  const log = new TrackingLog(broker, topic, { sizeBytesMost });
  opened.push(() => log.close());
  return log;
}

const named = (name: string): TrackingCommands["experiment.create"] => {
  return { name, location: "", tags: [] };
};
const run: TrackingCommands["run.create"] = {
  ...{ run: "r", experiment: "0", user: "", name: "run", startTime: 1, tags: [] },
};

let broker: Broker;
before(async () => {
  broker = await kafka();
});

test("of many writers that want one name one gets it, and all logs come to the same end", async () => {
  const logs = [logOf(broker), logOf(broker), logOf(broker)];
  const wanted = logs.flatMap((log) =>
    Array.from({ length: 8 }, (_, i) => log.write("experiment.create", "test", named(`e${i}`))),
  );
  const settled = await Promise.allSettled(wanted);
  const made = settled.filter(({ status }) => status === "fulfilled");
  assert.equal(made.length, 8, "one for each name");
  for (const each of settled) {
    if (each.status === "rejected") assert.equal(each.reason.code, "TRACKING_EXISTS");
  }
  const states = await Promise.all([...logs, logOf(broker)].map((log) => log.read()));
  const told = states.map(({ experiments }) =>
    [...experiments.values()].map(({ id, name }) => [id, name]),
  );
  for (const each of told) assert.deepEqual(each, told[0]);
  const names = told[0]?.map(([, name]) => name).sort();
  assert.deepEqual(names, ["Default", ...Array.from({ length: 8 }, (_, i) => `e${i}`)]);
});

test("what a writer was told, any other log reads, and a parameter is given one value", async () => {
  const [one, other] = [logOf(broker), logOf(broker)];
  await one.write("run.create", "test", run);
  const params = (value: string) => ({
    ...{ run: "r", metrics: [], tags: [], params: [{ key: "depth", value }] },
  });
  const both = await Promise.allSettled([
    one.write("run.log", "test", params("1")),
    other.write("run.log", "test", params("2")),
  ]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  const values = await Promise.all(
    [one, other].map(async (log) => (await log.read()).runs.get("r")?.params.get("depth")),
  );
  const kept = both[0]?.status === "fulfilled" ? "1" : "2";
  assert.deepEqual(values, [kept, kept]);
});

test("a command that is there twice counts once, and one of a kind to come counts for nothing", async () => {
  const own = await kafka();
  const producer = await own.producer({ transactionalId: null });
  opened.push(() => producer.close());
  const write = async (...commands: object[]) => {
    const batch = new RecordBatchBuilder();
    for (const each of commands) batch.append(null, Buffer.from(JSON.stringify(each)), 1);
    await producer.send([{ topic, partition: 0, batch: batch.build() }]);
  };
  const head = { id: "a", at: 1, by: "test" };
  const metric = { key: "m", value: "NaN", timestamp: 1, step: 0 };
  const logged = {
    ...head,
    id: "b",
    kind: "run.log",
    run: "r",
    metrics: [metric],
    params: [],
    tags: [],
  };
  await write({ ...head, kind: "run.create", ...run }, logged, logged);
  await write({ ...head, id: "c", kind: "of.later" }, { ...head, id: "d", kind: "toString" });
  const found = (await logOf(own).read()).runs.get("r");
  assert.deepEqual(
    found?.metrics.get("m")?.points.map(({ value }) => value),
    [Number.NaN],
  );
});

test("a command that fits no record is refused, and so is what the log has no room for", async () => {
  const log = logOf(broker);
  const large = {
    ...named("large"),
    tags: Array.from({ length: 200 }, (_, i) => {
      return { key: `t${i}`, value: "x".repeat(8_000) };
    }),
  };
  await assert.rejects(log.write("experiment.create", "test", large), { code: "TRACKING_INVALID" });
  const small = logOf(broker, 100);
  await assert.rejects(small.write("experiment.create", "test", named("z")), {
    code: "TRACKING_FULL",
  });
});
