import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, Producer } from "../../../broker/broker.ts";
import { readCommitted } from "../../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../../broker/embedded/embedded-broker.ts";
import { AvroDecoder } from "../../../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../../../runtime/schema-registry/embedded.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import { partitionOf } from "../../../schemas/murmur2.ts";
import { arrival, departure } from "../../../topologies/flights/generated.ts";
import { LoadGenerator, type LoadOptions } from "./load-generator.ts";

const partitions = 4;
const begin = Date.UTC(2030, 0, 1);

/** Both topics as they stand: by flight its time, and each flight once. */
interface Sent {
  readonly departures: ReadonlyMap<number, number>;
  readonly arrivals: ReadonlyMap<number, number>;
}

async function world(): Promise<{ broker: Broker; options: LoadOptions; tick: () => number }> {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(
    ["flights.departures", "flights.arrivals"].map((name) => ({ name, partitions, config: {} })),
  );
  // Each look at the clock moves it on: nothing here waits for real time but the ticks.
  let now = begin;
  const tick = () => {
    now += 500;
    return now;
  };
  const options = {
    ...{ broker, registry: createMemoryRegistry(), partitions, seed: 7, rate: 200 },
    ...{ flightTimeMs: 2_000, until: begin + 10_000, signal: new AbortController().signal },
    now: tick,
  };
  return { broker, options, tick };
}

async function run(options: LoadOptions) {
  const generator = await LoadGenerator.open(options);
  try {
    return { report: await generator.run(), schedule: generator.schedule };
  } finally {
    await generator.close();
  }
}

async function sentTo({ broker, registry }: LoadOptions): Promise<Sent> {
  return {
    departures: await timesOf(broker, "flights.departures", "departedAt"),
    arrivals: await timesOf(broker, "flights.arrivals", "arrivedAt"),
  };

  async function timesOf(from: Broker, topic: string, field: string): Promise<Map<number, number>> {
    const schema = topic === "flights.arrivals" ? arrival : departure;
    const decoder = new AvroDecoder(registry, schema);
    await decoder.resolve(await registry.register(`${topic}-value`, schema));
    const times = new Map<number, number>();
    for (let partition = 0; partition < partitions; partition++) {
      await readCommitted(from, topic, partition, (reader) => {
        const decoded = decoder.decode(reader.buffer, reader.valueStart, reader.valueEnd);
        assert.equal(decoded.kind, "value");
        if (decoded.kind !== "value") return;
        const id = Number(decoded.value["flightId"]);
        assert.equal(partitionOf(String(id), partitions), partition);
        assert.ok(!times.has(id), `flight ${id} was sent twice to ${topic}`);
        times.set(id, Number(decoded.value[field]));
      });
    }
    return times;
  }
}

test("it sends what its schedule says, each flight at its time, and nothing after the end", async () => {
  const { options } = await world();
  const { report, schedule } = await run(options);
  const { departures, arrivals } = await sentTo(options);
  assert.equal(report.departures, departures.size);
  assert.equal(report.arrivals, arrivals.size);
  const until = options.until as number;
  assert.equal(departures.size, schedule.departingFrom(until));
  for (const [id, time] of departures) assert.equal(time, schedule.departureOf(id));
  for (const [id, time] of arrivals) assert.equal(time, schedule.departureOf(id) + 2_000);
  const due = [...departures.keys()].filter((id) => schedule.arrivalOf(id) < until);
  assert.equal(arrivals.size, due.length);
  assert.ok(report.behindMsMax >= 499, "a clock that jumps by 500 ms leaves it behind");
  assert.equal(report.behindOneSecond, 0);
});

test("started again it goes on behind the last flight, and those in the air arrive", async () => {
  const { options, tick } = await world();
  await run(options);
  const later = { ...options, until: tick() + 8_000, rate: 400 };
  const { schedule } = await run(later);
  const { departures, arrivals } = await sentTo(options);
  const ids = [...departures.keys()].sort((a, b) => a - b);
  assert.deepEqual(ids, [...ids.keys()], "no number is left out and none is used twice");
  for (const id of ids) {
    if (schedule.arrivalOf(id) < later.until) assert.ok(arrivals.has(id), `flight ${id} landed`);
  }
});

test("a sending of which only a part stands is completed, not repeated", async () => {
  const { broker, options } = await world();
  let sends = 0;
  const failing: Broker = Object.assign(Object.create(broker) as Broker, {
    producer: async (wanted: Parameters<Broker["producer"]>[0]): Promise<Producer> => {
      const producer = await broker.producer(wanted);
      const send: Producer["send"] = async (batches) => {
        if (++sends % 3 !== 0) return await producer.send(batches);
        await producer.send(batches.slice(0, sends % 5));
        throw new MillraceError("BROKER_UNAVAILABLE", {
          request: "Produce",
          timeoutMs: 1,
          reason: "a test",
          brokers: "it",
        });
      };
      return Object.assign(Object.create(producer) as Producer, {
        send,
        close: () => producer.close(),
      });
    },
    ...{
      listOffsets: broker.listOffsets.bind(broker),
      fetch: broker.fetch.bind(broker),
    },
  });
  const { schedule } = await run({ ...options, broker: failing });
  assert.ok(sends > 10);
  const { departures, arrivals } = await sentTo(options);
  assert.equal(departures.size, schedule.departingFrom(options.until as number));
  for (const id of departures.keys()) {
    assert.equal(arrivals.has(id), schedule.arrivalOf(id) < (options.until as number));
  }
});

test("a silent partition gets neither departures nor arrivals of flights that never left", async () => {
  const { options } = await world();
  const silences = [{ partition: 1, startMs: 3_000, lengthMs: 3_000 }];
  const { schedule } = await run({ ...options, silences });
  const { departures, arrivals } = await sentTo(options);
  let silent = 0;
  for (let id = 0; id < schedule.departingFrom(options.until as number); id++) {
    const isSilent =
      partitionOf(String(id), partitions) === 1 && schedule.isSilent(1, schedule.departureOf(id));
    assert.equal(departures.has(id), !isSilent, `flight ${id}`);
    if (isSilent) silent++;
    if (isSilent) assert.ok(!arrivals.has(id), `flight ${id} never left`);
  }
  assert.ok(silent > 30);
});
