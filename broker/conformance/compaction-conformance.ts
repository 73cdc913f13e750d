import assert from "node:assert/strict";
import type { Broker } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { batchOf, type Rule } from "./world-conformance.ts";

/** Rules of compaction, where it can be asked to run. */
export function compactionRules(
  rule: Rule,
  compact: (broker: Broker, topic: string) => void,
): void {
  rule("a compacted topic keeps the last value of each key, at its offset", async (world) => {
    const topic = await world.topic(1, { "cleanup.policy": "compact" });
    const producer = await world.producer();
    const put = async (entries: readonly [key: string, value: string | null][], commits = true) => {
      const builder = new RecordBatchBuilder();
      for (const [key, value] of entries) {
        builder.append(Buffer.from(key), value === null ? null : Buffer.from(value), 0);
      }
      producer.begin();
      await producer.send([{ topic, partition: 0, batch: builder.build() }]);
      await (commits ? producer.commit() : producer.abort());
    };
    await put([
      ["a", "1"],
      ["b", "1"],
      ["a", "2"],
      ["c", "1"],
    ]);
    await put([["b", "2"]]);
    await put(
      [
        ["a", "aborted"],
        ["c", null],
      ],
      false,
    );
    await put([
      ["c", null],
      ["d", "1"],
    ]);
    const before = await world.records(topic);
    compact(world.broker, topic);
    const last = before.filter(
      ({ key, offset }) => !before.some((each) => each.key === key && each.offset > offset),
    );
    const after = await world.records(topic);
    assert.deepEqual(
      after,
      last.filter(({ value }) => value !== "null"),
    );
    assert.deepEqual(
      after.map(({ key, value }) => `${key}${value}`),
      ["a2", "b2", "d1"],
    );
    await put([["e", "1"]]);
    const grown = await world.records(topic);
    assert.equal(grown.at(-1)?.key, "e");
    for (let from = 0; from <= (grown.at(-1)?.offset ?? 0); from++) {
      const expected = grown.filter(({ offset }) => offset >= from);
      assert.deepEqual(await world.records(topic, 0, from), expected, `from ${from}`);
    }
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("open") }]);
    compact(world.broker, topic);
    await producer.abort();
    compact(world.broker, topic);
    assert.deepEqual(await world.values(topic), ["2", "2", "1", "1"]);
  });
}
