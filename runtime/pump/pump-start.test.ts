import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { passGap, readAcceptedGaps } from "../row-topics/accepted-gaps.ts";
import {
  numbersPump as pump,
  setUpNumbers as setUp,
  topicName,
  until,
} from "./numbers-pump-fixture.ts";
import { offlineSink } from "./offline-sink.ts";
import { onlineSink } from "./online-sink.ts";
import { pumpStart } from "./pump-start.ts";
import { NumberedTopic, numbersEncoder } from "./pump-topic-fixture.ts";
import type { PumpGap } from "./sink-pump-options.ts";

const places = [0, 1].map((partition) => ({ topic: topicName, partition }));

/** What a coordinator may say of the group after it lost, mixed up or was told its offsets. */
const coordinators: Readonly<Record<string, (ends: readonly number[]) => (number | null)[]>> = {
  "has no offset": () => [null, null],
  "has an offset of before": () => [3, 0],
  "was told the beginning": () => [0, 0],
  "was told the end": (ends) => [...ends],
};

for (const [what, offsetsFor] of Object.entries(coordinators)) {
  test(`every record is stored once though the coordinator ${what}`, async () => {
    const { broker, topic, store, numbers } = await setUp();
    const running = await pump(broker, offlineSink(store, numbersEncoder));
    await topic.write(30);
    await running.drain();
    await running.stop();
    await topic.write(20);
    const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
    // Another group, so that none has an offset at first.
    const offsets = places.flatMap((each, index) => {
      const offset = offsetsFor(ends)[index] ?? null;
      return offset === null ? [] : [{ ...each, offset }];
    });
    if (offsets.length > 0) await broker.commitOffsets("other", offsets, null);
    const next = await pump(broker, offlineSink(store, numbersEncoder), { group: "other" });
    await topic.write(10);
    await next.drain();
    await until("all rows", () => numbers().length >= topic.committed.length);
    assert.deepEqual(numbers(), topic.committed);
    await next.stop();
    await broker.close();
  });
}

test("a range that was pending is stored with what lies before it, each record once", async () => {
  const { broker, topic, store, numbers } = await setUp();
  await topic.write(40);
  // As if somebody had moved the group forth before the pump died in its write.
  const offsets = places.map((each) => ({ ...each, offset: 9, metadata: "pending 9-13" }));
  await broker.commitOffsets("pump", offsets, null);
  const running = await pump(broker, offlineSink(store, numbersEncoder));
  await running.drain();
  assert.deepEqual(numbers(), topic.committed);
  await running.stop();
  await broker.close();
});

test("an online store that lost its rows is filled again, whatever the group says", async () => {
  const { broker, topic } = await setUp();
  const first = await pump(broker, onlineSink(createMemoryOnlineStore(), "numbers@1"));
  await topic.write(20);
  await first.drain();
  await first.stop();
  const emptied = createMemoryOnlineStore();
  const again = await pump(broker, onlineSink(emptied, "numbers@1"));
  await topic.write(1);
  await again.drain();
  const read = () => emptied.read([{ view: "numbers@1", entityKey: "7", partition: 1 }]);
  await until("a row", async () => (await read())[0]?.row !== null);
  await again.stop();
  await broker.close();
});

test("records that went before they were stored end the pump, unless they are accepted", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const before = await pump(broker, offlineSink(store, numbersEncoder));
  await topic.write(10);
  await before.drain();
  await before.stop();
  await topic.write(20);
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
  await broker.deleteRecords(places.map((each, i) => ({ ...each, offset: ends[i] ?? 0 })));
  const refusing = await pump(broker, offlineSink(store, numbersEncoder));
  await assert.rejects(refusing.drain(), { code: "PUMP_GAP", message: /numbers\/[01] are gone/ });
  await refusing.stop();
  const accept = (gap: PumpGap) => passGap(broker, "plan", gap, true);
  const accepting = await pump(broker, offlineSink(store, numbersEncoder), { accept });
  await topic.write(10);
  await accepting.drain();
  assert.deepEqual(
    numbers(),
    topic.committed.filter((number) => number < 10 || number >= 30),
  );
  await accepting.stop();
  const gaps = await readAcceptedGaps(broker, "plan", topicName, 2);
  assert.deepEqual(
    gaps.map((gap) => gap?.next),
    ends,
  );
  // The marker of each transaction is an offset, too.
  assert.ok(gaps.every((gap) => gap?.missing === 11 || gap?.missing === 12));
  await broker.close();
});

test("a topic made again is not stored beside the rows of the old one, unless accepted", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const before = await pump(broker, offlineSink(store, numbersEncoder));
  await topic.write(10);
  await before.drain();
  await before.stop();
  await broker.deleteTopics([topicName]);
  const again = await NumberedTopic.create(broker, topicName);
  again.next = 100;
  await again.write(10);
  const refusing = await pump(broker, offlineSink(store, numbersEncoder));
  await assert.rejects(refusing.drain(), { code: "OFFLINE_OTHER_TOPIC" });
  await refusing.stop();
  assert.deepEqual(numbers(), topic.committed);
  for (const accepted of [true, false]) {
    const accept = (gap: PumpGap) => passGap(broker, "plan", gap, accepted);
    const running = await pump(broker, offlineSink(store, numbersEncoder), { accept });
    await again.write(5);
    await running.drain();
    await running.stop();
  }
  assert.deepEqual(numbers(), [...topic.committed, ...again.committed]);
  await broker.close();
});

test("what was purged once every sink had it is no gap, and what is not tallied is one", () => {
  const stored = { next: 50, rows: 40, strangeRows: 0 };
  const known = { stored, earliest: 60, committed: { offset: 40, metadata: "" } };
  const purged = { below: 60, rows: 40 };
  assert.deepEqual(pumpStart({ ...known, purged }), { position: 60, pending: null });
  for (const other of [undefined, { below: 59, rows: 40 }, { below: 60, rows: 41 }]) {
    const start = pumpStart({ ...known, purged: other });
    assert.deepEqual(start, { position: 60, pending: null, gap: { from: 50 } });
  }
  const markers = { ...known, committed: { offset: 60, metadata: "" }, purged: undefined };
  assert.deepEqual(pumpStart(markers), { position: 60, pending: null });
  const moved = { ...markers, purged: { below: 60, rows: 45 } };
  assert.deepEqual(pumpStart(moved).gap, { from: 50 });
});
