import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FetchedPartition, FetchRequest } from "../../../broker/broker.ts";
import { StandingLook } from "./standing-look.ts";

/** A broker whose fetches stand until they are told to end. */
function standingBroker() {
  const standing: { request: FetchRequest; end: () => void; fail: (why: Error) => void }[] = [];
  const fetch = (request: FetchRequest) =>
    new Promise<FetchedPartition[]>((resolve, reject) => {
      standing.push({ request, end: () => resolve([]), fail: reject });
    });
  return { standing, broker: { fetch } };
}

/** Looks at one partition; the first look fails. */
async function watched() {
  const { standing, broker } = standingBroker();
  let looks = 0;
  const look = async () => {
    looks++;
    if (looks === 1) throw new Error("away");
  };
  const places = () => [{ topic: "register", partition: 0, offset: looks }];
  const standingLook = new StandingLook({ broker, places, look });
  standingLook.start();
  await nextTurn();
  return { standing, standingLook, looks: () => looks };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await nextTurn();
}

test("between two looks a fetch stands at the broker, and what fails is tried again", {
  timeout: 60_000,
}, async () => {
  const { standing, standingLook, looks } = await watched();
  assert.deepEqual([looks(), standing.length], [1, 0], "the first look failed");
  await until(() => standing.length === 1);
  for (let turn = 0; turn < 1_000; turn++) await nextTurn();
  assert.deepEqual([looks(), standing.length], [2, 1], "nobody asks while the fetch stands");
  const { partitions, maxWaitMs } = standing[0]?.request ?? assert.fail();
  assert.equal(partitions[0]?.offset, 2, "from where the look has come to");
  assert.equal(maxWaitMs, 5_000);
  standing[0]?.end();
  await nextTurn();
  assert.deepEqual([looks(), standing.length], [3, 2]);
  standing[1]?.fail(new Error("away"));
  await until(() => standing.length === 3);
  assert.equal(looks(), 4);
  await standingLook.close();
  standing[2]?.end();
  for (let turn = 0; turn < 1_000; turn++) await nextTurn();
  assert.deepEqual([looks(), standing.length], [4, 3], "closed");
});
