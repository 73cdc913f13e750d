import assert from "node:assert/strict";
import { test } from "node:test";
import { countCommitted, readCommitted } from "../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { watermark } from "../../schemas/generated.ts";
import type { Plan } from "../../schemas/plan.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from, type SourceOptions } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import type { Config } from "../config/settings.ts";
import { AvroDecoder } from "../schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { sourceDecoder } from "../schema-registry/source-codec.ts";
import type { FeedReport } from "./application-spec.ts";
import { eventFeeder, type FedEvent } from "./event-feeder.ts";
import type { Stack } from "./stack.ts";

const payment = recordSchema<{ readonly id: string; readonly at: number; readonly card: string }>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
  ],
});

function planOf(options?: SourceOptions, topic = "payments"): Plan {
  const view = from(topic, payment, options)
    .timedBy("at", { lateness: "1s" })
    .partitionedBy("id")
    .keyedBy("card")
    .over("1m")
    .compute({ payments: agg.count() })
    .asFeatureView("cards@1", { ttl: "1h" })
    .into(online);
  return topology("shop", { view });
}

const events = (count: number): FedEvent[] =>
  Array.from({ length: count }, (_, index) => {
    const value = { id: String(index), at: 1_000 + index, card: "4711" };
    return { topic: "payments", at: value.at, value };
  });

/** A broker in memory, and a replay of events into it. */
async function world(plan = planOf()) {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  const replay = (given: readonly FedEvent[], stopAfter = Number.POSITIVE_INFINITY) => {
    const stop = new AbortController();
    return eventFeeder({ events: given }).replay({
      plans: [plan],
      // A feeder writes to topics alone.
      stack: { broker, registry } as unknown as Stack,
      config: {} as Config,
      signal: stop.signal,
      onProgress: ({ sentNow }) => {
        if (sentNow >= stopAfter) stop.abort();
      },
    });
  };
  const sent = async () => {
    let records = 0;
    for (let partition = 0; partition < plan.partitions; partition++) {
      records += await countCommitted(broker, "payments", partition);
    }
    return records;
  };
  return { broker, registry, replay, sent };
}

test("a feeder that was stopped goes on where it was, and sends nothing twice", async () => {
  const { broker, replay, sent } = await world();
  const facts = ({ complete, sentNow, sent: { payments } }: FeedReport) => {
    return { complete, sentNow, payments };
  };
  const stopped = facts(await replay(events(2_500), 1));
  assert.deepEqual(stopped, { complete: false, sentNow: 1_000, payments: 1_000 });
  assert.equal(await sent(), 1_000);
  const rest = facts(await replay(events(2_500)));
  assert.deepEqual(rest, { complete: true, sentNow: 1_500, payments: 2_500 });
  const again = facts(await replay(events(2_500)));
  assert.deepEqual(again, { complete: true, sentNow: 0, payments: 2_500 });
  const longer = facts(await replay(events(2_510)));
  assert.deepEqual(longer, { complete: true, sentNow: 10, payments: 2_510 });
  assert.equal(await sent(), 2_510);
  await broker.close();
});

test("a topic with a name that every object has is counted like others", async () => {
  for (const topic of ["constructor", "__proto__"]) {
    const { broker, replay } = await world(planOf({}, topic));
    const given = events(2_500).map((event) => ({ ...event, topic }));
    const stopped = await replay(given, 1);
    assert.deepEqual(Object.entries(stopped.sent), [[topic, 1_000]]);
    const { sent } = await replay(given);
    assert.deepEqual(Object.entries(sent), [[topic, 2_500]]);
    await broker.close();
  }
});

test("the last source watermark ends the range, above every record sent", async () => {
  const { broker, registry, replay } = await world();
  await replay(events(10));
  const decoder = new AvroDecoder(registry, watermark);
  const marks: { readonly before: number; readonly endOffsets: readonly number[] }[] = [];
  const values: Buffer[] = [];
  await readCommitted(broker, "shop.payments.watermarks", 0, ({ buffer, valueStart, valueEnd }) => {
    values.push(Buffer.from(buffer.subarray(valueStart, valueEnd)));
  });
  for (const value of values) {
    marks.push((await decoder.decodeAwaiting(value, 0, value.length)) as (typeof marks)[number]);
  }
  assert.deepEqual(
    marks.map(({ before }) => before),
    [1_000, 1_010],
  );
  assert.equal(
    marks.at(-1)?.endOffsets.reduce((sum, offset) => sum + offset, 0),
    10,
  );
  await broker.close();
});

test("what is sent is read under every naming of subjects", async () => {
  for (const subjects of ["topic", "record", "topic-record", "any"] as const) {
    const plan = planOf({ subjects });
    const [source] = plan.sources;
    assert.ok(source);
    const { broker, registry, replay } = await world(plan);
    await replay(events(20));
    const decoder = sourceDecoder(registry, source);
    const values: Buffer[] = [];
    for (let partition = 0; partition < plan.partitions; partition++) {
      await readCommitted(broker, "payments", partition, ({ buffer, valueStart, valueEnd }) => {
        values.push(Buffer.from(buffer.subarray(valueStart, valueEnd)));
      });
    }
    await broker.close();
    assert.equal(values.length, 20);
    for (const value of values) {
      const { card } = await decoder.decodeAwaiting(value, 0, value.length);
      assert.equal(card, "4711", subjects);
    }
  }
});

test("events against the order of time, of a topic that is no source, or of other types are refused by name", async () => {
  const { broker, replay, sent } = await world();
  const unordered = replay(events(3).reverse());
  await assert.rejects(unordered, {
    code: "EVENTS_UNORDERED",
    message:
      /payments \(number 1 from 0\) at 1970-01-01T00:00:01\.001Z, behind one at .*:01\.002Z: give/,
  });
  const [first] = events(1);
  assert.ok(first !== undefined);
  await assert.rejects(replay([{ ...first, at: Number.NaN }]), {
    message: /number 0 from 0\) at NaN ms, behind/,
  });
  const [event] = events(1) as [FedEvent];
  await assert.rejects(replay([{ ...event, topic: "paymnets" }]), { code: "UNKNOWN_TOPIC" });
  const none = replay([event, { ...event, at: 2_000, value: { ...event.value, card: null } }]);
  const of = /card .* in the event of payments, at 1970-01-01T00:00:02\.000Z/;
  await assert.rejects(none, { code: "VALUE_INVALID", message: of });
  assert.equal(await sent(), 0);
  await broker.close();
});

test("a feeder says what it would send, a line a topic, and refuses what a replay would", async () => {
  const previewOf = (given: readonly FedEvent[], to = 2_000) =>
    eventFeeder({ events: () => given, range: () => ({ from: 0, to }) }).preview?.({} as Config);
  const others = events(2).map((event) => ({ ...event, topic: "refunds", at: 1_500 }));
  assert.equal(
    await previewOf([...events(2), ...others.slice(1)]),
    "payments: 2 records, from 1970-01-01T00:00:01.000Z to 1970-01-01T00:00:01.001Z\n" +
      "refunds: 1 record, from 1970-01-01T00:00:01.500Z to 1970-01-01T00:00:01.500Z",
  );
  assert.match((await previewOf(events(9), 1_003)) ?? "", /^payments: 3 records,/);
  assert.equal(await previewOf([]), "no events");
  await assert.rejects(async () => previewOf(events(2).reverse()), { code: "EVENTS_UNORDERED" });
});
