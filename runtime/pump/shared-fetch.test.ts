import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { NumberedTopic } from "./pump-topic-fixture.ts";
import { type Asked, SharedFetch } from "./shared-fetch.ts";

const longMs = 60_000;
const never = new Promise<void>(() => {});

function at(topic: string, offset: number, partition = 0): Asked {
  return { topic, partition, offset, maxBytes: 1 << 20 };
}

function named(fetched: readonly FetchedPartition[] | null): string[] | undefined {
  return fetched?.map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`);
}

/** Fetches that stand until they are answered. */
function standing() {
  const requests: FetchRequest[] = [];
  const answers: ((answer: FetchedPartition[]) => void)[] = [];
  const failures: ((error: unknown) => void)[] = [];
  let seen = () => {};
  const broker: Pick<Broker, "fetch"> = {
    fetch: (request) => {
      requests.push(request);
      return new Promise((resolve, reject) => {
        answers.push(resolve);
        failures.push(reject);
        seen();
      });
    },
  };
  /** Resolves when so many fetches have begun. */
  const begun = async (count: number) => {
    while (requests.length < count) await new Promise<void>((resolve) => (seen = resolve));
  };
  const places = () =>
    requests.map(({ partitions }) =>
      partitions.map((each) => named([each as unknown as FetchedPartition])?.[0]),
    );
  return { shared: new SharedFetch(broker), requests, answers, failures, begun, places };
}

function records(topic: string, offset: number, partition = 0): FetchedPartition {
  return { ...at(topic, offset, partition) } as unknown as FetchedPartition;
}

test("what several readers wait for is one fetch, and each gets its own", async () => {
  const { shared, answers, begun, places } = standing();
  const readers = ["a", "b", "c"].map((topic) =>
    shared.next([at(topic, 0), at(topic, 0, 1)], never, longMs),
  );
  await begun(1);
  assert.deepEqual(places(), [["a/0@0", "a/1@0", "b/0@0", "b/1@0", "c/0@0", "c/1@0"]]);
  answers[0]?.([records("a", 0, 1), records("c", 0)]);
  assert.deepEqual(named((await readers[0]) ?? null), ["a/1@0"]);
  assert.deepEqual(named((await readers[2]) ?? null), ["c/0@0"]);
  // b waits on, with whoever asks meanwhile.
  void shared.next([at("a", 0), at("a", 9, 1)], never, longMs);
  await begun(2);
  assert.deepEqual(places()[1]?.sort(), ["a/0@0", "a/1@9", "b/0@0", "b/1@0"]);
});

test("readers are told of one answer one a turn, so that others have theirs", async () => {
  const { shared, answers, begun } = standing();
  const topics = ["a", "b", "c", "d"];
  let turn = 0;
  let next: NodeJS.Immediate;
  const count = () => {
    turn++;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  const turns: number[] = [];
  const readers = topics.map(async (topic) => {
    await shared.next([at(topic, 0)], never, longMs);
    turns.push(turn);
  });
  await begun(1);
  answers[0]?.(topics.map((topic) => records(topic, 0)));
  await Promise.all(readers);
  clearImmediate(next);
  assert.equal(new Set(turns).size, topics.length);
});

test("a reader that gives up while others are told finds its records when it asks again", async () => {
  const { shared, answers, begun, places } = standing();
  let giveUp = () => {};
  const over = new Promise<void>((resolve) => (giveUp = resolve));
  const first = shared.next([at("a", 0)], never, longMs).then(giveUp);
  const second = shared.next([at("b", 0)], over, longMs);
  await begun(1);
  answers[0]?.([records("a", 0), records("b", 0)]);
  await first;
  assert.deepEqual(await second, []);
  const again = shared.next([at("b", 0)], never, longMs);
  await begun(2);
  assert.deepEqual(places()[1], ["b/0@0"]);
  answers[1]?.([records("b", 0)]);
  assert.deepEqual(named(await again), ["b/0@0"]);
});

test("a reader that gives up finds its place in the fetch that stands", async () => {
  const { shared, answers, begun, requests } = standing();
  let giveUp = () => {};
  const over = new Promise<void>((resolve) => (giveUp = resolve));
  const first = shared.next([at("a", 3)], over, longMs);
  await begun(1);
  giveUp();
  assert.deepEqual(await first, []);
  const second = shared.next([at("a", 3)], never, longMs);
  answers[0]?.([records("a", 3)]);
  assert.deepEqual(named(await second), ["a/0@3"]);
  assert.equal(requests.length, 1);
});

test("a partition that two read at different offsets is in two fetches, and at one in one", async () => {
  const { shared, answers, begun, places } = standing();
  const [one, other] = [
    shared.next([at("a", 0)], never, longMs),
    shared.next([at("a", 0)], never, longMs),
  ];
  const ahead = shared.next([at("a", 7)], never, longMs);
  await begun(2);
  assert.deepEqual(places().flat().sort(), ["a/0@0", "a/0@7"]);
  const first = places()[0]?.[0] === "a/0@0" ? 0 : 1;
  answers[first]?.([records("a", 0)]);
  assert.deepEqual([named(await one), named(await other)], [["a/0@0"], ["a/0@0"]]);
  answers[1 - first]?.([records("a", 7)]);
  assert.deepEqual(named(await ahead), ["a/0@7"]);
});

test("where a fetch fails its readers are sent to ask alone, and others go on", async () => {
  const { shared, answers, failures, begun } = standing();
  const [one, other] = [
    shared.next([at("a", 0)], never, longMs),
    shared.next([at("b", 0)], never, longMs),
  ];
  await begun(1);
  failures[0]?.(new MillraceError("TOPIC_UNKNOWN", { topic: "a", partition: 0 }));
  assert.deepEqual([await one, await other], [null, null]);
  const again = shared.next([at("b", 0)], never, longMs);
  await begun(2);
  answers[1]?.([records("b", 0)]);
  assert.deepEqual(named(await again), ["b/0@0"]);
});

test("of a topic that gets nothing no fetch ends before records come", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const topic = await NumberedTopic.create(broker, "numbers", 2);
  const shared = new SharedFetch(broker);
  const reading = shared.next([at("numbers", 0), at("numbers", 0, 1)], never, longMs);
  await topic.write(10);
  const fetched = await reading;
  assert.ok((fetched?.length ?? 0) > 0);
  await broker.close();
});
