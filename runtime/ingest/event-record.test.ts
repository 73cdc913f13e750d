import assert from "node:assert/strict";
import { test } from "node:test";
import type { RowLayout } from "../../schemas/row-layout.ts";
import { eventRecord } from "./event-record.ts";

const layout: RowLayout = {
  fields: [
    { name: "id", type: "integer", nullable: false },
    { name: "at", type: "timestamp", nullable: false },
    { name: "who.since", type: "timestamp", nullable: true },
    { name: "who.name", type: "text", nullable: true },
    { name: "ids", type: { list: "integer" }, nullable: true },
  ],
};
const read = eventRecord(layout, ["id", "at", "who", "ids", "labels"]);
const plain = (value: unknown) => ({ ...(read(value) as object) });

test("times are ms or text with an offset, whole numbers exact", () => {
  const who = Object.assign(Object.create(null), { since: 0, name: "a" });
  assert.deepEqual(
    plain({
      ...{ id: "9007199254740993", at: "2001-01-01T01:00:00.5+01:00", ids: ["1", 2] },
      who: { since: "1970-01-01T00:00Z", name: "a" },
    }),
    { id: 9_007_199_254_740_993n, at: 978_307_200_500, ids: [1, 2], who },
  );
  assert.deepEqual(plain({ id: 5, at: 7, labels: { a: 1 } }), { id: 5, at: 7, labels: { a: 1 } });
});

test("what is inexact, no time or no field is refused with its place", () => {
  assert.throws(() => read({ id: 2 ** 53 }), /^Error: id is beyond ±\(2\^53 − 1\)/);
  assert.throws(() => read({ ids: [1, 2 ** 60] }), /ids\[1\] is beyond/);
  assert.throws(() => read({ id: "5.0" }), /id is "5\.0", not a whole number/);
  assert.throws(() => read({ at: "2001-01-01" }), /at is "2001-01-01", not a time: write UTC ms/);
  assert.throws(() => read({ who: { since: "soon" } }), /who\.since is "soon", not a time/);
  assert.throws(() => read({ idd: 1 }), /"idd" is no field of it \(did you mean id\?\)/);
  for (const value of [null, 3, "x", []]) assert.throws(() => read(value), /it is no JSON object/);
});

test("names that objects have anyway are no fields", () => {
  assert.throws(() => read(JSON.parse('{"__proto__": 1}')), /"__proto__" is no field/);
  assert.throws(() => read({ constructor: 1 }), /"constructor" is no field/);
});
