import assert from "node:assert/strict";
import type { Rule } from "./world-conformance.ts";

/** Rules of committed offsets. */
export function offsetRules(rule: Rule): void {
  rule("offsets are committed with their metadata, partition by partition", async (world) => {
    const topic = await world.topic(3);
    const group = world.name("group");
    const metadata = "é".repeat(2048);
    await world.broker.commitOffsets(
      group,
      [
        { topic, partition: 0, offset: 5, metadata },
        { topic, partition: 2, offset: 2 ** 40 },
      ],
      null,
    );
    const all = [0, 1, 2].map((partition) => ({ topic, partition }));
    assert.deepEqual(await world.broker.committed(group, all), [
      { topic, partition: 0, offset: 5, metadata },
      { topic, partition: 1, offset: null, metadata: "" },
      { topic, partition: 2, offset: 2 ** 40, metadata: "" },
    ]);
    await assert.rejects(
      world.broker.commitOffsets(
        group,
        [{ topic, partition: 0, offset: 6, metadata: "x".repeat(4097) }],
        null,
      ),
      { code: "METADATA_TOO_LARGE" },
    );
  });

  rule("offsets of a transaction count from its commit on", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const producer = await world.producer();
    const committed = async () =>
      (await world.broker.committed(group, [{ topic, partition: 0 }]))[0];
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 3, metadata: "m" }], null);
    await producer.commit();
    assert.deepEqual(await committed(), { topic, partition: 0, offset: 3, metadata: "m" });
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 9 }], null);
    await producer.abort();
    assert.equal((await committed())?.offset, 3);
  });

  rule("committed offsets wait for the transaction that is open on them", async (world) => {
    const topic = await world.topic(2);
    const group = world.name("group");
    const producer = await world.producer();
    await world.broker.commitOffsets(group, [{ topic, partition: 0, offset: 1 }], null);
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], null);
    let answered = false;
    const waiting = world.broker.committed(group, [{ topic, partition: 0 }]).then((offsets) => {
      answered = true;
      return offsets;
    });
    // The other partition is not concerned; its answer is a round trip behind the question above.
    const [other] = await world.broker.committed(group, [{ topic, partition: 1 }]);
    assert.equal(other?.offset, null);
    assert.ok(!answered);
    await producer.commit();
    assert.equal((await waiting)[0]?.offset, 2);
  });
}
