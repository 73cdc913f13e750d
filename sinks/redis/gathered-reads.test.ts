import assert from "node:assert/strict";
import { test } from "node:test";
import { GatheredReads, keysMost } from "./gathered-reads.ts";

function reads() {
  const commands: (readonly string[])[] = [];
  const gathered = new GatheredReads(async (keys) => {
    commands.push(keys);
    if (keys.includes("broken")) throw new Error("away");
    return keys.map((key) => (key === "none" ? null : Buffer.from(key)));
  });
  return { commands, gathered };
}

const texts = (values: readonly (Buffer | null)[]) => values.map((value) => value?.toString());

test("reads of one turn go out as one command, each key once, and each gets its own", async () => {
  const { commands, gathered } = reads();
  const all = [["a", "p"], ["b", "none", "p"], ["a"]].map((keys) => gathered.get(keys));
  const found = await Promise.all(all);
  assert.deepEqual(found.map(texts), [["a", "p"], ["b", undefined, "p"], ["a"]]);
  assert.deepEqual(commands, [["a", "p", "b", "none"]]);
  await gathered.get(["c"]);
  assert.deepEqual(commands.at(-1), ["c"]);
});

test("a command has no more keys than its limit, but for one read of more", async () => {
  const { commands, gathered } = reads();
  const keysOf = (of: string, count: number) =>
    Array.from({ length: count }, (_, at) => `${of}${at}`);
  const asked = [keysOf("a", keysMost - 1), ["b"], ["c"], keysOf("d", keysMost + 1), ["e"]];
  const found = await Promise.all(asked.map((keys) => gathered.get(keys)));
  assert.deepEqual(found.map(texts), asked);
  assert.deepEqual(
    commands.map(({ length }) => length),
    [keysMost, 1, keysMost + 1, 1],
  );
});

test("a command that fails fails the reads that it carries, and the next one is asked anew", async () => {
  const { gathered } = reads();
  const both = await Promise.allSettled([gathered.get(["broken"]), gathered.get(["a"])]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.deepEqual(texts(await gathered.get(["a"])), ["a"]);
});
