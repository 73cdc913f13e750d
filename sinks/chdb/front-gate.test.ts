import assert from "node:assert/strict";
import { test } from "node:test";
import { FrontGate } from "./front-gate.ts";

test("more statements than may wait are refused with a code that clients know", async () => {
  const gate = new FrontGate();
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const run = (reads: boolean) => {
    return gate.run(
      () => released,
      () => reads,
    );
  };
  const taken = Array.from({ length: 5 + 64 }, () => run(false));
  await assert.rejects(run(false), /Code: 202\. .*wait/);
  const quick = run(true);
  await assert.rejects(run(true), /Code: 202\. .*wait/);
  release();
  await Promise.all([...taken, quick]);
});

test("what the quick lane is too short for goes on in a long one, in its turn", async () => {
  const gate = new FrontGate();
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const long = Array.from({ length: 5 }, () =>
    gate.run(
      () => released,
      () => true,
    ),
  );
  const tries: number[] = [];
  const slow = gate.run(
    async (limits) => {
      tries.push(Object.keys(limits).length);
      if (tries.length === 1) throw new Error("Code: 160. DB::Exception: too slow");
      return "done";
    },
    () => true,
  );
  const short = await gate.run(
    async () => "short",
    () => true,
  );
  assert.equal(short, "short");
  assert.deepEqual(tries, [2]);
  release();
  assert.equal(await slow, "done");
  assert.deepEqual(tries, [2, 0]);
  await Promise.all(long);
});
