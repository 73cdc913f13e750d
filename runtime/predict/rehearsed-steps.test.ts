import assert from "node:assert/strict";
import { test } from "node:test";
import { madeRecord } from "./rehearsed-steps.ts";

test("a record is made of fields of any name, and of nothing else", () => {
  const fields = ["constructor.name", "constructor.city", "toString", "at"].map((name) => ({
    ...{ name, type: name === "at" ? ("timestamp" as const) : ("text" as const), nullable: false },
  }));
  const { at, ...made } = JSON.parse(
    JSON.stringify(madeRecord({ layout: { fields }, timeField: "at" }, 3)),
  ) as { at: number };
  assert.ok(Math.abs(Date.now() - at) < 60_000);
  const text = "rehearsed 3";
  assert.deepEqual(made, { constructor: { name: text, city: text }, toString: text });
  assert.ok(!Object.hasOwn(Object, "city"));
});
