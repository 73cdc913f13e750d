import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { FeedReport } from "./application-spec.ts";
import { feedInTurn } from "./feed-turn.ts";

const whole: FeedReport = { sent: { a: 3 }, sentNow: 3, complete: true };
const cut: FeedReport = { sent: { a: 1 }, sentNow: 1, complete: false };

const unanswered = { request: "Produce", timeoutMs: 1, reason: "silence", brokers: "here" };

function start(
  broker: Broker,
  instanceId: string,
  feed: (signal: AbortSignal) => Promise<FeedReport>,
  signal = new AbortController().signal,
): Promise<FeedReport> {
  return feedInTurn({ broker, topologies: ["t"], instanceId, signal, feed });
}

/** Whatever of it there is, with a feeder that goes on until it is told otherwise. */
function held() {
  const heard = { begun: 0, end: () => {} };
  let announce = () => {};
  const begun = new Promise<void>((resolve) => {
    announce = resolve;
  });
  const feed = (signal: AbortSignal) => {
    heard.begun++;
    announce();
    return new Promise<FeedReport>((resolve) => {
      heard.end = () => resolve(whole);
      signal.addEventListener("abort", () => resolve(cut), { once: true });
    });
  };
  return { heard, begun, feed };
}

test("of two runs one feeds at a time, and each says in the end what was sent", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const feeding = new Set<string>();
  const most: number[] = [];
  const done: string[] = [];
  const feed = (name: string) => async (signal: AbortSignal) => {
    feeding.add(name);
    for (let turn = 0; turn < 20; turn++) {
      most.push(feeding.size);
      await new Promise((resolve) => setImmediate(resolve));
      if (!signal.aborted) continue;
      feeding.delete(name);
      return cut;
    }
    feeding.delete(name);
    done.push(name);
    return whole;
  };
  const names = ["m", "a", "z"];
  const reports = await Promise.all(names.map((name) => start(broker, name, feed(name))));
  assert.deepEqual(reports, [whole, whole, whole]);
  assert.equal(Math.max(...most), 1);
  assert.deepEqual(done.toSorted(), names.toSorted());
  await broker.close();
});

test("where the run that feeds is stopped the next one goes on", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const [one, two] = [held(), held()];
  const [stopOne, stopTwo] = [new AbortController(), new AbortController()];
  const first = start(broker, "one", one.feed, stopOne.signal);
  await one.begun;
  const second = start(broker, "two", two.feed, stopTwo.signal);
  stopOne.abort();
  assert.equal((await first).complete, false);
  await two.begun;
  two.heard.end();
  assert.deepEqual(await second, whole);
  await broker.close();
});

test("a fence is the end of a turn, and a second one in a row an error", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  let fences = 1;
  const feed = async () => {
    if (fences-- > 0) throw new MillraceError("PRODUCER_FENCED", { transactionalId: "t.feeder" });
    return whole;
  };
  assert.deepEqual(await start(broker, "one", feed), whole);
  fences = 2;
  await assert.rejects(start(broker, "one", feed), { code: "PRODUCER_FENCED" });
  await broker.close();
});

test("what a feeder waited for when its turn was over does not end the run", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const other = held();
  let tries = 0;
  let began = () => {};
  const waiting = new Promise<void>((resolve) => {
    began = resolve;
  });
  const away = (signal: AbortSignal) => {
    if (++tries > 1) return Promise.resolve(whole);
    began();
    return new Promise<FeedReport>((_, reject) => {
      const error = new MillraceError("BROKER_UNAVAILABLE", unanswered);
      signal.addEventListener("abort", () => reject(error), { once: true });
    });
  };
  const first = start(broker, "one", away);
  await waiting;
  const second = start(broker, "two", other.feed);
  // Both have their turns, whoever is first in the new group.
  void other.begun.then(() => other.heard.end());
  assert.deepEqual(await Promise.all([first, second]), [whole, whole]);
  assert.equal(tries, 2);
  await broker.close();
});
