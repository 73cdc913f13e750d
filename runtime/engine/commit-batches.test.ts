import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ProducerBatch } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { CommitBatches } from "./commit-batches.ts";

const maxBatchBytes = 2_000;

/** Records as `topic/partition value`, in the order in which they are sent. */
function recordsOf(rounds: readonly (readonly ProducerBatch[])[]): string[] {
  const reader = new RecordReader();
  const found: string[] = [];
  for (const { topic, partition, batch } of rounds.flat()) {
    assert.ok(batch.encoded.length <= maxBatchBytes);
    const fetched = { topic, partition, offset: 0, records: batch.encoded, aborted: [] };
    reader.open(
      { ...fetched, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0 },
      "read_committed",
    );
    while (reader.next()) {
      const value = reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd);
      found.push(`${topic}/${partition} ${value}`);
    }
  }
  return found;
}

const record = fc.record({
  topic: fc.constantFrom("a", "b"),
  partition: fc.nat({ max: 2 }),
  value: fc.string({ maxLength: 500 }),
});

test("transactions one after the other hold what was appended to each, sent or dropped before", () => {
  const transaction = fc.record({ records: fc.array(record), sent: fc.boolean() });
  fc.assert(
    fc.property(fc.array(transaction, { maxLength: 6 }), (transactions) => {
      const batches = new CommitBatches(() => maxBatchBytes);
      for (const { records, sent } of transactions) {
        batches.clear();
        const places = new Map<string, number>();
        for (const { topic, partition, value } of records) {
          const name = `${topic}/${partition}`;
          const place = batches.append(topic, partition, null, Buffer.from(value), 0);
          assert.equal(place, places.get(name) ?? 0);
          places.set(name, place + 1);
        }
        assert.equal(batches.records, records.length);
        if (!sent) continue;
        const expected = records.map((each) => `${each.topic}/${each.partition} ${each.value}`);
        const found = recordsOf(batches.rounds());
        for (const name of places.keys()) {
          const of = (all: readonly string[]) => all.filter((each) => each.startsWith(`${name} `));
          assert.deepEqual(of(found), of(expected));
        }
        assert.equal(found.length, expected.length);
      }
    }),
  );
});

test("batches that were handed out stay as they are while the next transaction is filled", () => {
  const batches = new CommitBatches(() => maxBatchBytes);
  batches.append("a", 0, null, Buffer.from("first"), 0);
  const first = batches.rounds();
  batches.clear();
  batches.append("a", 0, null, Buffer.from("other"), 0);
  assert.deepEqual(recordsOf(first), ["a/0 first"]);
  assert.deepEqual(recordsOf(batches.rounds()), ["a/0 other"]);
});
