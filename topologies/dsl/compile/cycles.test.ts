import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboxOutputSpec, Subtopology } from "../../../schemas/plan.ts";
import type { TrainingSpec } from "../../../schemas/steps/training.ts";
import { checkCycles } from "./cycles.ts";
import { Problems } from "./problems.ts";

const training: TrainingSpec = {
  name: "t",
  watch: "w",
  algorithm: { kind: "logistic-regression", seed: 1 },
  overMs: 1,
  trainingTimeMs: 1,
  promoteWhen: { kind: "better" },
};

function node(name: string, ...outputs: Partial<InboxOutputSpec>[]): Subtopology {
  return {
    name,
    operator: { kind: "training", spec: { training, topology: "t", model: "m" } },
    partitions: 1,
    inbox: `${name}.inbox`,
    changelog: `${name}.changelog`,
    inputs: [],
    outputs: outputs.map((output) => ({
      kind: "inbox",
      to: "",
      partitions: 1,
      input: "in",
      fanOut: "every",
      triggers: ["in"],
      timers: false,
      lookAheadMs: 0,
      ...output,
    })),
  };
}

function messageOf(...subtopologies: Subtopology[]): string {
  const problems = new Problems();
  checkCycles(problems, subtopologies);
  try {
    problems.throwIfAny("t");
  } catch (error) {
    return String(error);
  }
  return "";
}

test("a chain and a diamond have no cycle", () => {
  assert.equal(
    messageOf(
      node("a", { to: "b" }, { to: "c" }),
      node("b", { to: "d" }),
      node("c", { to: "d" }),
      node("d"),
    ),
    "",
  );
});

test("a cycle with an only-read input and a look-ahead builds", () => {
  const a = node("a", { to: "b", triggers: ["triggers"] });
  assert.equal(messageOf(a, node("b", { to: "a", input: "models", lookAheadMs: 1 })), "");
});

test("a cycle whose outputs all wait for their inputs does not build", () => {
  const message = messageOf(node("a", { to: "b" }), node("b", { to: "a", lookAheadMs: 1 }));
  assert.match(message, /a \(b\.in\) → b \(a\.in\) → a \(b\.in\) waits for itself/);
});

test("a cycle without look-ahead does not build", () => {
  const a = node("a", { to: "b", triggers: ["triggers"] });
  assert.match(
    messageOf(a, node("b", { to: "a", input: "models" })),
    /a → b → a has no look-ahead/,
  );
});
