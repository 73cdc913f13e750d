import assert from "node:assert/strict";
import { batchOf, type Rule, until } from "./world-conformance.ts";

/** Rules of topics. */
export function topicRules(rule: Rule): void {
  rule("a topic is made once, and described with its partitions", async (world) => {
    const topic = await world.topic(3);
    await world.broker.createTopics([
      { name: topic, partitions: 3, config: { "retention.ms": "-1" } },
    ]);
    const missing = world.name("missing");
    const described = await world.broker.describeTopics([missing, topic]);
    assert.deepEqual(
      described.map((each) => [each.name, each.partitions]),
      [[topic, 3]],
    );
    assert.ok((await world.broker.describeTopics()).some((each) => each.name === topic));
  });

  rule("a topic with other partitions or settings than wanted is a mismatch", async (world) => {
    const topic = await world.topic(2, { "max.message.bytes": "100000" });
    const wanted = (partitions: number, bytes: string) =>
      world.broker.createTopics([
        { name: topic, partitions, config: { "max.message.bytes": bytes } },
      ]);
    await wanted(2, "100000");
    await assert.rejects(wanted(3, "100000"), { code: "TOPIC_MISMATCH" });
    await assert.rejects(wanted(2, "200000"), { code: "TOPIC_MISMATCH" });
  });

  rule("a topic that gets more partitions keeps what stands in it", async (world) => {
    const { broker } = world;
    const topic = await world.topic(2);
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 1, batch: batchOf("before") }]);
    const [before] = await broker.describeTopics([topic]);
    await broker.addPartitions(topic, 4);
    await broker.addPartitions(topic, 4);
    await broker.addPartitions(topic, 3);
    const [after] = await broker.describeTopics([topic]);
    assert.deepEqual([after?.partitions, after?.id], [4, before?.id]);
    await producer.send([{ topic, partition: 3, batch: batchOf("after") }]);
    const ends = await broker.listOffsets(
      [0, 1, 2, 3].map((partition) => ({ topic, partition, at: "latest" as const })),
    );
    assert.deepEqual(ends, [0, 1, 0, 1]);
    await broker.createTopics([{ name: topic, partitions: 4, config: {} }]);
    await assert.rejects(broker.addPartitions(world.name("missing"), 4), { code: "TOPIC_UNKNOWN" });
  });

  rule("a recreated topic is empty and has another id", async (world) => {
    const { broker } = world;
    const topic = await world.topic();
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 0, batch: batchOf("old") }]);
    await broker.commitOffsets(world.name("group"), [{ topic, partition: 0, offset: 1 }], null);
    const [before] = await broker.describeTopics([topic]);
    assert.ok(before !== undefined && before.id !== "");
    await broker.deleteTopics([topic]);
    await until(async () => (await broker.describeTopics([topic])).length === 0);
    await until(async () => {
      await broker.createTopics([{ name: topic, partitions: 1, config: {} }]);
      return (await broker.describeTopics([topic])).length === 1;
    });
    const [after] = await broker.describeTopics([topic]);
    assert.notEqual(after?.id, before.id);
    assert.equal(await world.offset(topic, "latest"), 0);
  });

  rule("a topic that is not there is unknown", async (world) => {
    const topic = world.name("missing");
    const producer = await world.producer(null);
    const unknown = { code: "TOPIC_UNKNOWN" };
    await assert.rejects(world.fetch(topic, 0, 0), unknown);
    await assert.rejects(
      world.broker.listOffsets([{ topic, partition: 0, at: "latest" }]),
      unknown,
    );
    await assert.rejects(producer.send([{ topic, partition: 0, batch: batchOf("x") }]), unknown);
  });
}
