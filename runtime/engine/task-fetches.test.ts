import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, FetchRequest } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { TaskFetches } from "./task-fetches.ts";

const topic = "records";

/** Asks for each partition from an offset on. */
function from(...offsets: number[]): FetchRequest {
  const partitions = offsets.map((offset, partition) => ({
    ...{ topic, partition, offset },
    maxBytes: 1_000,
  }));
  return { partitions, isolation: "read_committed", maxWaitMs: 60_000, maxBytes: 10_000 };
}

async function opened(prepare: () => Promise<void> = async () => {}) {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics([{ name: topic, partitions: 2, config: {} }]);
  const producer = await broker.producer({ transactionalId: null });
  const asked: string[] = [];
  const counting: Pick<Broker, "fetch"> = {
    fetch: async (request) => {
      asked.push(
        request.partitions.map(({ partition, offset }) => `${partition}@${offset}`).join(),
      );
      return await broker.fetch(request);
    },
  };
  const send = async (partition: number) => {
    const builder = new RecordBatchBuilder();
    builder.append(null, Buffer.from("a record"), 0);
    await producer.send([{ topic, partition, batch: builder.build() }]);
  };
  return { broker, asked, send, fetches: new TaskFetches(counting, prepare) };
}

const never = new Promise<void>(() => {});
const over = Promise.resolve();

test("a fetch stands while the caller does other things, and what it is answered counts", async () => {
  const { broker, asked, send, fetches } = await opened();
  assert.equal(await fetches.next(from(0, 0), over), null);
  assert.equal(await fetches.next(from(0, 0), null), null);
  await send(0);
  const [got, ...others] = (await fetches.next(from(0, 0), never)) ?? [];
  assert.deepEqual([got?.partition, got?.offset, others], [0, 0, []]);
  assert.deepEqual(asked, ["0@0,1@0"]);
  await broker.close();
});

test("what no fetch asks for yet is asked for beside those that stand", async () => {
  const { broker, asked, send, fetches } = await opened();
  assert.equal(await fetches.next(from(0), over), null);
  assert.equal(await fetches.next(from(0, 0), over), null);
  await send(1);
  assert.equal((await fetches.next(from(0, 0), never))?.[0]?.partition, 1);
  assert.equal(await fetches.next(from(0, 1), over), null);
  assert.deepEqual(asked, ["0@0", "1@0", "1@1"]);
  await broker.close();
});

test("what nobody wants any more is left out, and what was asked before all is made anew", async () => {
  const { broker, send, fetches } = await opened();
  assert.equal(await fetches.next(from(0), over), null);
  await send(0);
  assert.deepEqual(await fetches.next(from(), never), []);
  assert.equal(await fetches.next(from(1), over), null);
  fetches.forget();
  assert.equal((await fetches.next(from(0), never))?.length, 1);
  await broker.close();
});

test("nobody has an answer before all that it has to wait for", async () => {
  let release = () => {};
  const prepared = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { broker, send, fetches } = await opened(() => prepared);
  await send(0);
  for (let turns = 0; turns < 5; turns++) assert.equal(await fetches.next(from(0), null), null);
  release();
  assert.equal((await fetches.next(from(0), never))?.length, 1);
  await broker.close();
});
