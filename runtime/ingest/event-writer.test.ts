import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { plan } from "../../gateway/gateway-fixture.ts";
import { EventWriter } from "./event-writer.ts";
import { ingestWorld } from "./ingest-fixture.ts";

const topic = plan.sources[0]?.topic ?? "";

function event(key: number) {
  const bytes = Buffer.from(String(key));
  return { partition: 0, key: bytes, value: bytes, timestamp: 1 };
}

test("a rested writer sends at once, and what comes until it may send again goes together", async () => {
  const world = await ingestWorld(plan);
  const writer = new EventWriter(world.broker, 1e6, 1_000);
  const began = performance.now();
  const [first] = await writer.write(topic, [event(0)]);
  assert.deepEqual(world.sends, [[1]]);
  const later: Promise<unknown>[] = [];
  for (let key = 1; key < 10; key++) {
    later.push(writer.write(topic, [event(key)]));
    await nextTurn();
  }
  assert.equal(world.sends.length, 1, "it rests");
  const written = (await Promise.all(later)).flat() as { offset: number }[];
  assert.ok(performance.now() - began >= 999);
  assert.deepEqual(world.sends, [[1], [9]]);
  const offsets = [first, ...written].map((each) => each?.offset);
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await writer.close();
  await world.broker.close();
});
