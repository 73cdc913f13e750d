import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, Producer } from "../../broker/broker.ts";
import { readCommitted } from "../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../../runtime/schema-registry/embedded.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { watermark } from "../../schemas/generated.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { arrival, departure } from "../../topologies/flights/generated.ts";
import { type FlightFixture, fixtureFlights, fixtureStart } from "./flight-fixture.ts";
import { injectionText, parseInjections } from "./injections.ts";
import { flightTopics, type ReplayOptions, replayFlights } from "./replay.ts";

const minute = 60_000;
const hour = 60 * minute;
const latenessMs = 10 * minute;

const airports = ["AAA", "BBB", "CCC"];
const made: FlightFixture[] = Array.from({ length: 900 }, (_, index) => ({
  local: ((index * 7919) % (3 * 24 * 60)) * minute,
  zone: -5 - (index % 3),
  origin: airports[index % 3] as string,
  distance: 100 + ((index * 31) % 2500),
  delay: ((index * 37) % 120) - 30,
}));

interface World {
  readonly broker: Awaited<ReturnType<typeof openEmbeddedBroker>>;
  readonly options: ReplayOptions;
}

async function world(inject: readonly string[] = []): Promise<World> {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(
    plan.topics.filter(({ role }) => role === "source" || role === "watermarks"),
  );
  return {
    broker,
    options: {
      broker,
      registry: createMemoryRegistry(),
      flights: fixtureFlights(made, 3),
      partitions: plan.partitions,
      from: fixtureStart,
      to: fixtureStart + 60 * hour,
      injections: parseInjections(inject, 1, latenessMs),
      injectText: injectionText(inject, 1),
      latenessMs,
    },
  };
}

interface Read {
  readonly key: string;
  readonly timestamp: number;
  readonly offset: number;
  readonly partition: number;
  readonly value: Record<string, unknown>;
}

async function read(
  { broker, options }: World,
  topic: string,
  schema: AvroSchema,
  partitions: number = plan.partitions,
): Promise<Read[]> {
  const records: (Omit<Read, "value"> & { bytes: Buffer })[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    await readCommitted(broker, topic, partition, (reader) => {
      const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset, timestampMs } = reader;
      records.push({
        key: keyStart < 0 ? "" : buffer.toString("utf8", keyStart, keyEnd),
        timestamp: timestampMs,
        offset,
        partition,
        bytes: Buffer.from(buffer.subarray(valueStart, valueEnd)),
      });
    });
  }
  const decoder = new AvroDecoder(options.registry, schema);
  const decoded: Read[] = [];
  for (const { bytes, ...record } of records) {
    decoded.push({ ...record, value: await decoder.decodeAwaiting(bytes, 0, bytes.length) });
  }
  return decoded;
}

/** Everything that consumers see, without offsets, which a crash may move. */
async function content(world: World): Promise<unknown> {
  const plain = (records: Read[]) =>
    records.map(({ offset, value, ...record }) => ({ ...record, value: { ...value } }));
  return {
    departures: plain(await read(world, flightTopics[0], departure)),
    arrivals: plain(await read(world, flightTopics[1], arrival)),
  };
}

test("records carry their key, partition, timestamp and local clock", async () => {
  const here = await world();
  const report = await replayFlights(here.options);
  const departures = await read(here, flightTopics[0], departure);
  assert.deepEqual(report.sent, {
    [flightTopics[0]]: departures.length,
    [flightTopics[1]]: (await read(here, flightTopics[1], arrival)).length,
  });
  const sorted = [...made].sort((a, b) => a.local - b.local);
  for (const { key, timestamp, partition, value } of departures) {
    const { local, zone, origin, distance } = sorted[Number(key)] as FlightFixture;
    assert.equal(partition, partitionOf(key, plan.partitions));
    const departedAt = fixtureStart + local - zone * hour;
    assert.equal(timestamp, departedAt);
    assert.deepEqual(
      { ...value },
      {
        flightId: Number(key),
        departedAt,
        origin,
        destination: "BBB",
        distanceMiles: distance,
        localHour: new Date(fixtureStart + local).getUTCHours(),
        localWeekday: ((new Date(fixtureStart + local).getUTCDay() + 6) % 7) + 1,
      },
    );
  }
});

test("run twice, nothing is sent twice; a later end goes on where the earlier one ended", async () => {
  const here = await world(["disorder:5m", "late:5%", "duplicates:5%"]);
  const first = await replayFlights({ ...here.options, to: fixtureStart + 30 * hour });
  const again = await replayFlights({ ...here.options, to: fixtureStart + 30 * hour });
  assert.deepEqual(again, { sent: first.sent, sentNow: 0, complete: true });
  await replayFlights(here.options);
  const whole = await world(["disorder:5m", "late:5%", "duplicates:5%"]);
  await replayFlights(whole.options);
  const keys = async (world: World) =>
    (await read(world, flightTopics[1], arrival)).map(({ key }) => key).sort();
  assert.deepEqual(await keys(here), await keys(whole));
});

test("another start or other injections are refused with what to do", async () => {
  const here = await world();
  await replayFlights({ ...here.options, to: fixtureStart + hour });
  const changed = [
    { ...here.options, from: fixtureStart + hour },
    { ...here.options, injectText: "late:1% seed 1" },
  ];
  for (const options of changed) {
    await assert.rejects(replayFlights(options), /The topics were begun with/);
  }
});

/** A broker whose producers die at a given call, before or after it took effect. */
function dying(broker: Broker, dieAt: number): Broker {
  let calls = 0;
  const guard = async <T>(act: () => Promise<T>): Promise<T> => {
    calls++;
    const isDying = calls === dieAt;
    if (isDying && dieAt % 2 === 1) throw new Error("killed before");
    const result = await act();
    if (isDying) throw new Error("killed after");
    return result;
  };
  const mortal = (producer: Producer): Producer => ({
    producerId: producer.producerId,
    epoch: producer.epoch,
    begin: () => producer.begin(),
    send: (batches) => guard(() => producer.send(batches)),
    sendOffsets: (...args) => guard(() => producer.sendOffsets(...args)),
    commit: () => guard(() => producer.commit()),
    abort: () => Promise.reject(new Error("dead")),
    close: () => Promise.resolve(),
  });
  return {
    ...portOf(broker),
    producer: async (options) => mortal(await broker.producer(options)),
  };
}

/** The port's methods, bound: a class instance cannot be spread. */
function portOf(broker: Broker): Broker {
  return new Proxy(broker, {
    ownKeys: (target) => Reflect.ownKeys(Object.getPrototypeOf(target)),
    getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("killed at any call and started again, consumers see the same records once", async () => {
  const inject = ["disorder:5m", "late:3%", "duplicates:3%"];
  const undisturbed = await world(inject);
  await replayFlights(undisturbed.options);
  const wanted = await content(undisturbed);
  for (let dieAt = 1; dieAt <= 40; dieAt += 3) {
    const here = await world(inject);
    for (let round = 0; round < 4; round++) {
      const broker = dying(here.broker, dieAt * (round + 1));
      await assert.rejects(replayFlights({ ...here.options, broker }), /killed/);
      here.broker.crash();
    }
    await replayFlights(here.options);
    assert.deepEqual(await content(here), wanted, `killed at call ${dieAt}`);
  }
});

/** A broker whose producers do not learn what became of some commits; every other one stands. */
function unsure(broker: Broker, isLost: (commit: number) => boolean): Broker {
  let commits = 0;
  const deaf = (producer: Producer): Producer => ({
    producerId: producer.producerId,
    epoch: producer.epoch,
    begin: () => producer.begin(),
    send: (batches) => producer.send(batches),
    sendOffsets: (...args) => producer.sendOffsets(...args),
    commit: async () => {
      commits++;
      if (!isLost(commits)) return producer.commit();
      await (commits % 2 === 0 ? producer.commit() : producer.abort());
      const lost = { transactionalId: "replay", reason: "the connection broke" };
      throw new MillraceError("TRANSACTION_OUTCOME_UNKNOWN", lost);
    },
    abort: () => producer.abort(),
    close: () => producer.close(),
  });
  return {
    ...portOf(broker),
    producer: async (options) => deaf(await broker.producer(options)),
  };
}

test("any number of lost transactions is gone on from, unless nothing succeeds between", async () => {
  const undisturbed = await world();
  await replayFlights(undisturbed.options);
  const here = await world();
  const often = unsure(here.broker, (commit) => commit % 5 < 2);
  const report = await replayFlights({ ...here.options, broker: often });
  assert.equal(report.complete, true);
  assert.deepEqual(await content(here), await content(undisturbed));
  const stuck = await world();
  const broker = unsure(stuck.broker, () => true);
  const failing = replayFlights({ ...stuck.options, broker });
  await assert.rejects(failing, { code: "TRANSACTION_OUTCOME_UNKNOWN" });
});

test("stopped by its signal it goes on with the next step", async () => {
  const here = await world();
  const stop = new AbortController();
  const report = await replayFlights({
    ...here.options,
    signal: stop.signal,
    onProgress: ({ share }) => {
      if (share > 0.4) stop.abort();
    },
  });
  assert.equal(report.complete, false);
  const rest = await replayFlights(here.options);
  assert.ok(rest.complete && rest.sentNow > 0 && report.sentNow > 0);
  const total = Object.values(rest.sent).reduce((sum, sent) => sum + sent, 0);
  assert.equal(report.sentNow + rest.sentNow, total);
});

test("watermarks say truly how far each partition is, from the start to the end", async () => {
  const here = await world(["disorder:5m", "late:5%"]);
  await replayFlights(here.options);
  for (const [index, topic] of flightTopics.entries()) {
    const records = await read(here, topic, index === 0 ? departure : arrival);
    const marks = await read(here, watermarksTopic(plan.name, topic), watermark, 1);
    const before = marks.map(({ value }) => value["before"] as number);
    assert.equal(before[0], here.options.from);
    assert.equal(before.at(-1), here.options.to);
    assert.deepEqual(
      before,
      [...before].sort((a, b) => a - b),
    );
    let late = 0;
    for (const { partition, offset, timestamp } of records) {
      const streamTime = marks
        .filter(({ value }) => ((value["endOffsets"] as number[])[partition] ?? 0) <= offset)
        .at(-1)?.value["before"] as number;
      if (timestamp < streamTime) {
        late++;
        assert.ok(timestamp < streamTime - latenessMs);
      }
    }
    assert.ok(late > 10 && late < records.length / 10, `${late} late`);
    for (const { value } of marks) {
      const ends = value["endOffsets"] as number[];
      const missing = records.filter(
        ({ timestamp, partition, offset }) =>
          timestamp < (value["before"] as number) && offset >= (ends[partition] ?? 0),
      );
      assert.ok(missing.length <= late, "only late records stand beyond");
    }
  }
});
