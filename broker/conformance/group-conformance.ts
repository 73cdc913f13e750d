import assert from "node:assert/strict";
import type { GroupMember } from "../broker.ts";
import { batchOf, nextLoss, type Rule, until } from "./world-conformance.ts";

/** Rules of groups. */
export function groupRules(rule: Rule): void {
  rule("a member alone gets everything that the leader assigns", async (world) => {
    const group = world.name("group");
    const member = await world.join({ group, metadata: Buffer.from("a") });
    assert.equal(member.assignment.toString(), "a of a");
    assert.ok(member.identity.memberId !== "" && member.identity.generation > 0);
  });

  rule("joining and leaving begin new generations, which every member learns of", async (world) => {
    const group = world.name("group");
    const first = await world.join({ group, metadata: Buffer.from("a") });
    const generation = first.identity.generation;
    const lost = nextLoss(first);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await lost;
    await first.rejoin();
    const second = await joining;
    assert.ok(first.identity.generation > generation);
    assert.equal(second.identity.generation, first.identity.generation);
    assert.deepEqual(
      [first.assignment.toString(), second.assignment.toString()],
      ["a of a,b", "b of a,b"],
    );
    const lostAgain = nextLoss(second);
    await first.leave();
    await lostAgain;
    await second.rejoin();
    assert.equal(second.assignment.toString(), "b of b");
  });

  rule("the same members get the same assignment", async (world) => {
    const group = world.name("group");
    const members = [await world.join({ group, metadata: Buffer.from("a") })];
    const keepUp = (member: GroupMember) =>
      member.onLost(() => {
        member.rejoin().catch(() => {});
      });
    for (const member of members) keepUp(member);
    for (const name of ["b", "c"]) {
      const member = await world.join({ group, metadata: Buffer.from(name) });
      keepUp(member);
      members.push(member);
    }
    const settled = () => members.every((each) => each.assignment.toString().endsWith("of a,b,c"));
    await until(async () => settled());
    assert.equal(new Set(members.map(({ identity }) => identity.generation)).size, 1);
  });

  rule("offsets of an old generation and of strangers are refused", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const offsets = [{ topic, partition: 0, offset: 1 }];
    const member = await world.join({ group });
    await world.broker.commitOffsets(group, offsets, member.identity);
    const old = member.identity;
    await member.rejoin();
    const illegal = { code: "ILLEGAL_GENERATION" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, old), illegal);
    await world.broker.commitOffsets(group, offsets, member.identity);
    const stranger = { ...member.identity, memberId: "stranger" };
    const unknown = { code: "UNKNOWN_MEMBER" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, stranger), unknown);
    await assert.rejects(world.broker.commitOffsets(group, offsets, null), unknown);
    await member.leave();
    await assert.rejects(world.broker.commitOffsets(group, offsets, member.identity), unknown);
  });

  rule("a transaction of an old generation is fenced, and can only be aborted", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const producer = await world.producer();
    const member = await world.join({ group });
    const old = member.identity;
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("current") }]);
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 1 }], old);
    await producer.commit();
    await member.rejoin();
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("zombie") }]);
    await assert.rejects(producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], old), {
      code: "ILLEGAL_GENERATION",
    });
    await producer.abort();
    const stranger = { memberId: "stranger", generation: member.identity.generation };
    producer.begin();
    await assert.rejects(
      producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], stranger),
      { code: "UNKNOWN_MEMBER" },
    );
    await producer.abort();
    assert.deepEqual(await world.values(topic), ["current"]);
    const [committed] = await world.broker.committed(group, [{ topic, partition: 0 }]);
    assert.equal(committed?.offset, 1);
  });

  rule("a newer member of the same name takes the place of the older at once", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const named = { group, metadata: Buffer.from("a"), instanceId: "one" };
    const older = await world.join(named);
    const before = older.identity;
    const lost = nextLoss(older);
    const newer = await world.join(named);
    assert.equal(newer.assignment.toString(), "a of a");
    await lost;
    const offsets = [{ topic, partition: 0, offset: 1 }];
    await world.broker.commitOffsets(group, offsets, newer.identity);
    const unknown = { code: "UNKNOWN_MEMBER" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, before), unknown);
    await assert.rejects(older.rejoin(), unknown);
    await world.broker.commitOffsets(group, offsets, newer.identity);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await nextLoss(newer);
    await newer.rejoin();
    assert.equal((await joining).assignment.toString(), "b of a,b");
    assert.equal(newer.assignment.toString(), "a of a,b");
  });

  rule("a member that joins again by itself is not told that it lost anything", async (world) => {
    const group = world.name("group");
    const member = await world.join({ group, metadata: Buffer.from("a") });
    let losses = 0;
    member.onLost(() => {
      losses++;
    });
    await member.rejoin();
    assert.equal(losses, 0);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await nextLoss(member);
    await member.rejoin();
    await joining;
    assert.equal(losses, 1);
  });

  rule("a member that does not come back in time is out, the others go on", async (world) => {
    const group = world.name("group");
    const hung = await world.join({ group, metadata: Buffer.from("a"), rebalanceTimeoutMs: 500 });
    const lost = nextLoss(hung);
    const next = await world.join({ group, metadata: Buffer.from("b"), rebalanceTimeoutMs: 500 });
    await lost;
    assert.equal(next.assignment.toString(), "b of b");
    await hung.rejoin();
    assert.notEqual(hung.identity.memberId, "");
  });
}
