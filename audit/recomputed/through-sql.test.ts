import assert from "node:assert/strict";
import { test } from "node:test";
import type { Condition } from "../../schemas/expression.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import type { TransformSpec } from "../../schemas/transforms/through.ts";
import { conditionSql } from "./condition-sql.ts";
import { tsvText } from "./source-events.ts";
import { isRecomputable } from "./through-sql.ts";

const records: RowLayout = {
  fields: [
    { name: "shop", type: "text", nullable: false },
    { name: "home", type: "text", nullable: false },
    { name: "size", type: "number", nullable: false },
    { name: "n", type: "integer", nullable: false },
    { name: "tags", type: { list: "text" }, nullable: false },
  ],
};

function isSaid(through: readonly TransformSpec[], keyFields = ["shop"], where?: Condition) {
  const count = { name: "n", kind: "count", output: "number", ...(where && { where }) };
  const view = { through, keyFields, aggregates: [count] } as unknown as FeatureViewSpec;
  return isRecomputable(view, records);
}

const copy = (name: string, field: string): TransformSpec => ({
  kind: "select",
  fields: [
    { name: "shop", value: { op: "field", field: "shop" } },
    { name, value: { op: "field", field } },
  ],
});

test("a view is left out where SQL orders, prints or holds values in another way", () => {
  assert.equal(isSaid([copy("size", "size")]), true);
  assert.equal(isSaid([copy("tags", "tags")]), false);
  assert.equal(isSaid([], ["size"]), false);
  assert.equal(isSaid([copy("key", "size")], ["key"]), false);
  assert.equal(isSaid([], ["n"]), true);
  const after = (field: string, value: string | number): Condition => ({ op: "gt", field, value });
  assert.equal(isSaid([], ["shop"], after("n", 5)), true);
  assert.equal(isSaid([], ["shop"], after("shop", "a")), false);
  assert.equal(isSaid([{ kind: "where", condition: after("shop", "a") }]), false);
  const other: Condition = { op: "lte", field: "shop", other: "home" };
  assert.equal(isSaid([], ["shop"], { op: "not", condition: other }), false);
  assert.equal(isSaid([], ["shop"], { op: "eq", field: "shop", other: "home" }), true);
  const custom: Condition = { op: "custom", name: "odd", version: 1, test: () => true };
  assert.equal(isSaid([], ["shop"], { op: "and", all: [custom] }), false);
});

test("whole numbers are exact in SQL, and a text stays one in a file", () => {
  const large: Condition = { op: "eq", field: "n", value: 9_007_199_254_740_993n };
  assert.equal(conditionSql(large, "e."), "(e.`n` = 9007199254740993)");
  assert.equal(conditionSql({ op: "eq", field: "ok", value: true }, ""), "(`ok` = 1)");
  assert.deepEqual(
    ["Infinity", "-Infinity", Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(tsvText),
    ["Infinity", "-Infinity", "inf", "-inf"],
  );
});
