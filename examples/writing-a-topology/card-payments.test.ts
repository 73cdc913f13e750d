import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../schemas/package-root.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { describe } from "../../topologies/dsl/describe.ts";
import { cardFeatures, cardPayments } from "./card-payments.ts";

test("views alone make a topology: two sources of updates, no look-ups, a store each", () => {
  assert.deepEqual(
    cardFeatures.subtopologies.map(({ name, operator, partitions }) => [
      name,
      operator.kind,
      partitions,
    ]),
    [
      ["payments", "source", 4],
      ["card_spending@1", "view", 4],
      ["shop_prices@1", "view", 4],
    ],
  );
  assert.deepEqual(
    stepsOf(cardFeatures, "view").map(({ stores }) => stores),
    [["online", "offline"], ["offline"]],
  );
  assert.match(
    describe(cardFeatures),
    /large_online = share\(\(amount > 500 and online = true\)\)/,
  );
});

test("scoring without a watch: text keys, twelve partitions, no model is trained", () => {
  const [scoring] = stepsOf(cardPayments, "scoring");
  assert.equal(scoring?.keyType, "string");
  assert.equal(scoring?.features.length, 6 * 3 + 1 + 1);
  assert.equal(scoring?.features.at(-1), "amount");
  const tasks = cardPayments.subtopologies.find(({ operator }) => operator.kind === "scoring");
  assert.equal(tasks?.partitions, 12);
  assert.deepEqual(
    tasks?.inputs.map(({ name }) => name),
    ["answers:card_spending@1", "answers:shop_prices@1", "triggers", "labels"],
  );
  assert.equal(
    cardPayments.subtopologies.some(
      ({ operator }) => operator.kind === "watch" || operator.kind === "training",
    ),
    false,
  );
});

test("the example of the documentation is this file", () => {
  const root = packageRoot();
  const code = readFileSync(join(root, "examples/writing-a-topology/card-payments.ts"), "utf8");
  const body = code.slice(code.indexOf("interface Payment")).trim();
  const page = readFileSync(join(root, "docs/topologies.md"), "utf8");
  assert.ok(page.includes(body), "docs/topologies.md does not quote card-payments.ts as it is");
});
