import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionSql } from "../../schemas/condition-sql.ts";
import type { Condition } from "../../schemas/expression.ts";
import type { FeatureViewSpec } from "../../schemas/feature-view.ts";
import type { RowLayout } from "../../schemas/row-layout.ts";
import type { TransformSpec } from "../../schemas/transforms/through.ts";
import { recomputeGap } from "./recomputable.ts";
import { tsvText } from "./source-events.ts";

const records: RowLayout = {
  fields: [
    { name: "shop", type: "text", nullable: false },
    { name: "home", type: "text", nullable: false },
    { name: "size", type: "number", nullable: false },
    { name: "n", type: "integer", nullable: false },
    { name: "tags", type: { list: "text" }, nullable: false },
  ],
};

function gap(through: readonly TransformSpec[], keyFields = ["shop"], where?: Condition) {
  const count = { name: "n", kind: "count", output: "number", ...(where && { where }) };
  const view = { through, keyFields, aggregates: [count] } as unknown as FeatureViewSpec;
  return recomputeGap(view, records);
}

const copy = (name: string, field: string): TransformSpec => ({
  kind: "select",
  fields: [
    { name: "shop", value: { op: "field", field: "shop" } },
    { name, value: { op: "field", field } },
  ],
});

test("a view is left out where SQL orders, prints or holds values in another way, and why", () => {
  assert.equal(gap([copy("size", "size")]), null);
  assert.equal(gap([copy("tags", "tags")]), "tags is a list");
  assert.equal(gap([], ["size"]), "the key size is a double");
  assert.equal(gap([copy("key", "size")], ["key"]), "the key key is a double");
  assert.equal(gap([], ["n"]), null);
  const after = (field: string, value: string | number): Condition => ({ op: "gt", field, value });
  assert.equal(gap([], ["shop"], after("n", 5)), null);
  assert.equal(gap([], ["shop"], after("shop", "a")), 'shop > "a" orders texts');
  const text: TransformSpec = { kind: "where", condition: after("shop", "a") };
  assert.equal(gap([text]), 'shop > "a" orders texts');
  const other: Condition = { op: "lte", field: "shop", other: "home" };
  assert.equal(gap([], ["shop"], { op: "not", condition: other }), "shop ≤ home orders texts");
  assert.equal(gap([], ["shop"], { op: "eq", field: "shop", other: "home" }), null);
  const custom: Condition = { op: "custom", name: "odd", version: 1, test: () => true };
  assert.equal(gap([], ["shop"], { op: "and", all: [custom] }), "odd#1 is a closure");
  const truth: TransformSpec = {
    kind: "select",
    fields: [{ name: "shop", value: { op: "truth", condition: custom } }],
  };
  assert.equal(gap([truth]), "odd#1 is a closure");
});

test("a condition is judged by the records that come to it, under the names that they have there", () => {
  const after: TransformSpec = {
    kind: "where",
    condition: { op: "gt", field: "amount", value: "a" },
  };
  assert.equal(gap([copy("amount", "home"), after]), 'amount > "a" orders texts');
  assert.equal(gap([copy("amount", "n"), after]), null);
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
