import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { CommitBatches } from "../runtime/engine/commit-batches.ts";
import { writeTransaction } from "../runtime/engine/transaction.ts";
import { withMethods } from "./with-methods-fixture.ts";

test("records and offsets of a commit go side by side, and neither is under way when it has failed", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics([{ name: "records", partitions: 1, config: {} }]);
  const producer = await broker.producer({ transactionalId: "a test" });
  const events: string[] = [];
  const watched = withMethods(producer, {
    send: async () => {
      events.push("records");
      throw new Error("refused");
    },
    sendOffsets: async () => {
      events.push("offsets");
      for (let turns = 0; turns < 10; turns++) await nextTurn();
      events.push("offsets sent");
    },
  });
  const batches = new CommitBatches(() => 1_000);
  batches.append("records", 0, null, Buffer.from("a record"), 0);
  await assert.rejects(writeTransaction(watched, batches, "group", [], null), /refused/);
  assert.deepEqual(events, ["records", "offsets", "offsets sent"]);
  await broker.close();
});
