import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, GroupMember } from "../broker/broker.ts";
import { MillraceError } from "../schemas/errors.ts";
import { GroupPlace } from "./group-place.ts";

const group = { group: "g", metadata: Buffer.alloc(0), assign: () => new Map() };

/** A place whose joining again fails as often as said, and what makes it lose the place. */
async function placeOf(failures: number) {
  let lose = () => {};
  let left = failures;
  const member: GroupMember = {
    identity: { memberId: "m", generation: 1 },
    assignment: Buffer.from("1"),
    onLost: (listener) => {
      lose = listener;
    },
    rejoin: async () => {
      if (left-- > 0) throw new MillraceError("BROKER_CLOSED", { request: "JoinGroup" });
    },
    leave: async () => {},
  };
  const broker = { join: async () => member } as Pick<Broker, "join"> as Broker;
  return { place: await GroupPlace.join(broker, group), lose: () => lose() };
}

test("a place that is lost stays lost until joining again has succeeded", async () => {
  const { place, lose } = await placeOf(1);
  assert.equal(place.lost, false);
  let told = 0;
  place.onLost(() => told++);
  lose();
  assert.deepEqual([place.lost, told], [true, 1]);
  await assert.rejects(place.rejoin(), { code: "BROKER_CLOSED" });
  assert.equal(place.lost, true);
  await assert.rejects(place.rejoin(() => Promise.reject(new Error("no producer"))));
  assert.equal(place.lost, true);
  await place.rejoin();
  assert.equal(place.lost, false);
});

test("an error that the table answers by joining again ends the place, any other does not", async () => {
  const { place } = await placeOf(0);
  assert.equal(place.endedBy(new Error("of nobody's")), false);
  assert.equal(place.lost, false);
  assert.equal(
    place.endedBy(new MillraceError("UNKNOWN_MEMBER", { group: "g", member: "m" })),
    true,
  );
  assert.equal(place.lost, true);
});

test("what is missing is cured by joining again once, and anew after work was done", async () => {
  const { place } = await placeOf(0);
  const missing = new MillraceError("OFFSET_OUT_OF_RANGE", {
    ...{ topic: "t", partition: 0, offset: 1, logStart: 2 },
  });
  assert.equal(place.curedByRejoining(new Error("of nobody's")), false);
  assert.equal(place.curedByRejoining(missing), true);
  await place.rejoin();
  assert.equal(place.curedByRejoining(missing), false);
  assert.equal(place.lost, false);
  place.worked();
  assert.equal(place.curedByRejoining(missing), true);
  assert.equal(place.lost, true);
});

test("a turn works while the place is there, and takes over once where it is lost", async () => {
  const { place, lose } = await placeOf(0);
  const done: string[] = [];
  const takeOver = async () => {
    done.push("take over");
    await place.rejoin();
  };
  const turn = (work: () => Promise<string>) => place.turn(takeOver, work);
  const works = async () => "worked";
  const throws = (error: Error) => () => Promise.reject(error);
  const unknown = new MillraceError("UNKNOWN_MEMBER", { group: "g", member: "m" });
  const missing = new MillraceError("OFFSET_OUT_OF_RANGE", {
    ...{ topic: "t", partition: 0, offset: 1, logStart: 2 },
  });
  assert.equal(await turn(works), "worked");
  lose();
  assert.deepEqual([await turn(works), await turn(works)], [null, "worked"]);
  for (const ending of [unknown, missing]) {
    assert.equal(await turn(throws(ending)), null);
    assert.deepEqual([await turn(works), await turn(works)], [null, "worked"]);
  }
  assert.deepEqual(done, ["take over", "take over", "take over"]);
  await assert.rejects(turn(throws(missing)), missing, "joining again did not cure it");
  await assert.rejects(turn(throws(new Error("of nobody's"))), /of nobody's/);
  assert.equal(place.lost, false);
});

test("a take-over that fails is due again, and its error is the owner's", async () => {
  const { place, lose } = await placeOf(1);
  lose();
  const turn = () =>
    place.turn(
      () => place.rejoin(),
      async () => "worked",
    );
  await assert.rejects(turn(), { code: "BROKER_CLOSED" });
  assert.equal(place.lost, true);
  assert.deepEqual([await turn(), await turn()], [null, "worked"]);
});
