import assert from "node:assert/strict";
import { test } from "node:test";
import { ClosureFailure, conditionText, evaluate } from "../expression.ts";
import type { RowLayout } from "../row-layout.ts";
import type { Expression } from "./select.ts";
import {
  copiedThrough,
  layoutThrough,
  type TransformSpec,
  through,
  transformLines,
} from "./through.ts";
import type { TransformCheck } from "./transform.ts";

const large = 9_007_199_254_740_993n;
const record = { id: large, card: "c1", country: "de", home: null, amount: 5, online: true };
const records: RowLayout = {
  fields: [
    { name: "id", type: "integer", nullable: false },
    { name: "card", type: "text", nullable: false },
    { name: "country", type: "text", nullable: true },
    { name: "home", type: "text", nullable: true },
    { name: "amount", type: "number", nullable: false },
    { name: "online", type: "boolean", nullable: false },
  ],
};
const silent: TransformCheck = { condition: () => {}, problem: () => {} };
const select = (fields: Readonly<Record<string, Expression>>): TransformSpec => ({
  kind: "select",
  fields: Object.entries(fields).map(([name, value]) => ({ name, value })),
});

test("where keeps what a condition holds for, and leaves out where it is unknown", () => {
  const keeps = (field: string, value: string | number | bigint | boolean) =>
    through([{ kind: "where", condition: { op: "eq", field, value } }])(record) === record;
  assert.deepEqual(
    [keeps("amount", 5), keeps("amount", 6), keeps("country", "de"), keeps("online", true)],
    [true, false, true, true],
  );
  assert.equal(keeps("home", "de"), false);
  assert.deepEqual([keeps("id", large), keeps("id", 9_007_199_254_740_992)], [true, false]);
});

test("a whole number beyond the exact doubles is compared by what it is", () => {
  const holds = (op: "eq" | "neq" | "gt" | "lte", value: number | bigint, id: number | bigint) =>
    evaluate({ op, field: "id", value }, { id });
  assert.deepEqual(
    [holds("eq", 7n, 7), holds("eq", 7, 7n), holds("neq", large, 7), holds("gt", 7, large)],
    [true, true, true, true],
  );
  assert.equal(holds("lte", large - 1n, large), false);
  assert.equal(conditionText({ op: "gt", field: "id", value: large }), `id > ${large}n`);
});

test("a closure that throws, or gives neither true nor false, fails by its name and says why", () => {
  const where = (test: (record: Readonly<Record<string, unknown>>) => unknown) =>
    through([
      {
        kind: "where",
        condition: { op: "custom", name: "odd", version: 2, test: test as () => boolean },
      },
    ]);
  const odd = where(({ n }) => (n as number) % 2 === 1);
  assert.notEqual(odd({ n: 3 }), null);
  const thrown = (value: unknown) => () => {
    throw value;
  };
  const cases: [(record: Readonly<Record<string, unknown>>) => unknown, RegExp][] = [
    [({ n }) => (n as number) % 2 === 1, /^odd#2 threw: .*BigInt/],
    [thrown("a text"), /^odd#2 threw: a text$/],
    [thrown(Object.create(null)), /^odd#2 threw: something of type object that is no text$/],
    [thrown(Symbol("s")), /^odd#2 threw: Symbol\(s\)$/],
    [async () => true, /^odd#2 gave object, neither true nor false$/],
    [() => undefined, /^odd#2 gave undefined, neither/],
    [() => null, /^odd#2 gave null, neither/],
  ];
  for (const [test, message] of cases) {
    assert.throws(
      () => where(test)({ n: large }),
      (error: unknown) => {
        assert.ok(error instanceof ClosureFailure);
        assert.equal(error.code, "CLOSURE_FAILED");
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test("select makes records of what is named: copies, texts in one case, truths", () => {
  const specs = [
    select({
      payment: { op: "field", field: "id" },
      country: { op: "upper", field: "country" },
      none: { op: "lower", field: "home" },
      abroad: { op: "truth", condition: { op: "neq", field: "country", other: "home" } },
      small: { op: "truth", condition: { op: "lt", field: "amount", value: 10 } },
    }),
  ];
  assert.deepEqual(through(specs)(record), {
    payment: large,
    country: "DE",
    none: null,
    abroad: null,
    small: true,
  });
  assert.deepEqual(
    layoutThrough(specs, records, silent).fields.map((each) => Object.values(each).join(" ")),
    ["payment integer false", "country text true", "none text true"].concat([
      "abroad boolean true",
      "small boolean true",
    ]),
  );
  assert.deepEqual(transformLines(specs), [
    "select payment = id, country = upper(country), none = lower(home), " +
      "abroad = country ≠ home, small = amount < 10",
  ]);
});

test("each step takes what the one before it yields, and copies are followed back", () => {
  const specs: TransformSpec[] = [
    select({ n: { op: "field", field: "amount" }, id: { op: "field", field: "id" } }),
    { kind: "where", condition: { op: "gt", field: "n", value: 3 } },
    select({ other: { op: "field", field: "id" } }),
  ];
  assert.deepEqual(through(specs)(record), { other: large });
  assert.equal(through(specs)({ ...record, amount: 3 }), null);
  assert.equal(copiedThrough(specs, "other"), "id");
  assert.equal(copiedThrough(specs, "n"), null);
});

test("what a selection names has to be there, and text where it is cased", () => {
  const problems: string[] = [];
  const check = { ...silent, problem: (text: string) => problems.push(text) };
  const specs = [
    select({
      "a b": { op: "field", field: "card" },
      x: { op: "field", field: "shop" },
      y: { op: "upper", field: "amount" },
    }),
    select({}),
  ];
  layoutThrough(specs, records, check);
  assert.deepEqual(problems, [
    'select() makes a field "a b": write up to 80 letters, digits and _',
    'select() takes "shop", and there is no such field',
    'upper("amount") needs a field that is text',
    "select() names no field",
  ]);
});
