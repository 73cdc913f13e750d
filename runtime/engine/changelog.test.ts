import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { restoreFromChangelog, type TaskChangelog, writeSnapshot } from "./changelog.ts";
import { CommitBatches } from "./commit-batches.ts";

const nothing = {
  restoreSnapshot: () => assert.fail("a snapshot of another build was taken"),
  replayDelta: () => assert.fail("a delta of another build was taken"),
  restorePositions: () => assert.fail("positions of another build were taken"),
};

const log = (definition: string): TaskChangelog => ({
  topic: "t.changelog",
  partition: 0,
  definition: Buffer.alloc(8, definition),
});

test("state of another definition is never read", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics([{ name: "t.changelog", partitions: 1, config: {} }]);
  const producer = await broker.producer({ transactionalId: null });
  const batches = new CommitBatches(() => 1_000);
  writeSnapshot(batches, log("a"), Buffer.from("state"), Buffer.from("positions"));
  for (const round of batches.rounds()) await producer.send(round);
  const restored: string[] = [];
  const taking = { ...nothing, restoreSnapshot: (state: Buffer) => restored.push(`${state}`) };
  const task = { ...taking, restorePositions: () => {} };
  assert.equal(await restoreFromChangelog(broker, log("a"), task), true);
  assert.deepEqual(restored, ["state"]);
  await assert.rejects(restoreFromChangelog(broker, log("b"), nothing), {
    code: "CHANGELOG_DEFINITION",
    message: /t\.changelog\/0 holds the state of another definition/,
  });
  await broker.close();
});

test("a transaction that does not end is told of, by the place where it stands open", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics([{ name: "t.changelog", partitions: 1, config: {} }]);
  const producer = await broker.producer({ transactionalId: "hangs" });
  const batches = new CommitBatches(() => 1_000);
  writeSnapshot(batches, log("a"), Buffer.from("state"), Buffer.from("positions"));
  producer.begin();
  for (const round of batches.rounds()) await producer.send(round);
  await assert.rejects(restoreFromChangelog(broker, log("a"), nothing, { undecidedMs: 1 }), {
    code: "LOG_UNDECIDED",
    message: /transaction in t\.changelog\/0 has been open for \d+ ms/,
  });
  await producer.abort();
  assert.equal(await restoreFromChangelog(broker, log("a"), nothing), false);
  await broker.close();
});

test("a changelog that another build wrote is refused, with what to do", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics([{ name: "t.changelog", partitions: 1, config: {} }]);
  const producer = await broker.producer({ transactionalId: null });
  const batches = new CommitBatches(() => 1_000);
  const snapshotEnd = 4;
  batches.append("t.changelog", 0, null, Buffer.from([3, snapshotEnd, 0, 0]), 0);
  for (const round of batches.rounds()) await producer.send(round);
  await assert.rejects(restoreFromChangelog(broker, log("a"), nothing), {
    code: "CHANGELOG_LAYOUT",
    message: /t\.changelog\/0 has layout 3;.*--fresh/,
  });
  await broker.close();
});
