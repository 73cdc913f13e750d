import assert from "node:assert/strict";
import { test } from "node:test";
import { PastQueries } from "./past-queries.ts";

test("a store that hangs takes no more queries than it may, and all of them again once it answers", async () => {
  const waiting: ((rows: never[]) => void)[] = [];
  const query = () => new Promise<never[]>((resolve) => waiting.push(resolve));
  const past = new PastQueries({ of: () => ({ query }) }, 2);
  const two = ["one", "other"].map((topology) => past.of(topology).query("SELECT 1"));
  const third = past.of("one").query("SELECT 1");
  await assert.rejects(third, { code: "GATEWAY_BUSY", message: /2 look-ups of the past/ });
  assert.equal(waiting.length, 2);
  for (const answer of waiting) answer([]);
  await Promise.all(two);
  const failing = new PastQueries(
    { of: () => ({ query: () => Promise.reject(new Error("x")) }) },
    1,
  );
  for (const _ of [1, 2]) await assert.rejects(failing.of("one").query("SELECT 1"), /x/);
});
