import assert from "node:assert/strict";
import { test } from "node:test";
import { conditionText, evaluate } from "../../schemas/expression.ts";
import { and, custom, eq, field, gt, gte, lt, lte, neq, not, or } from "./conditions.ts";

const record = {
  delay: 15,
  origin: "JFK",
  cancelled: false,
  gate: null,
  none: Number.NaN,
  all: Number.POSITIVE_INFINITY,
};

test("comparisons hold as they are written, and are unknown for null and NaN", () => {
  const cases = [
    [gt("delay", 15), false],
    [gte("delay", 15), true],
    [lt("delay", 15), false],
    [lte("delay", 15), true],
    [eq("origin", "JFK"), true],
    [neq("origin", "JFK"), false],
    [eq("cancelled", false), true],
    [eq("gate", "B2"), null],
    [not(eq("gate", "B2")), null],
    [gt("none", 15), null],
    [neq("none", 15), null],
    [gt("all", 15), true],
    [and(gte("delay", 15), eq("gate", "B2")), null],
    [and(gt("delay", 15), eq("gate", "B2")), false],
    [or(gte("delay", 15), eq("gate", "B2")), true],
  ] as const;
  for (const [{ condition }, expected] of cases) {
    assert.equal(evaluate(condition, record), expected, conditionText(condition));
  }
});

test("two fields of a record are compared by their values, unknown where either is null", () => {
  const cases = [
    [eq("origin", field("origin")), true, "origin = origin"],
    [neq("origin", field("other")), true, "origin ≠ other"],
    [gt("delay", field("all")), false, "delay > all"],
    [lte("delay", field("gate")), null, "delay ≤ gate"],
    [not(eq("none", field("delay"))), null, "not (none = delay)"],
  ] as const;
  for (const [{ condition }, expected, text] of cases) {
    assert.equal(evaluate(condition, { ...record, other: "SFO" }), expected, text);
    assert.equal(conditionText(condition), text);
  }
});

test("a closure stands in a description by its name and version", () => {
  const far = custom({
    name: "far",
    version: 3,
    test: (each: { delay: number }) => each.delay > 9,
  });
  assert.equal(conditionText(not(far).condition), "not (far#3)");
  assert.equal(evaluate(far.condition, record), true);
});
