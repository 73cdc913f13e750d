import assert from "node:assert/strict";
import { test } from "node:test";
import { predictionsOf, viewsOf } from "../../schemas/plan-facts.ts";
import { air } from "../../testing/schedule-fixture.ts";
import { sourceTarget, viewTarget } from "./targets.ts";

test("predictions of every topology that reads a source are due for its records", () => {
  const other = { ...air, name: "other", sources: air.sources.map((source) => ({ ...source })) };
  const [step] = predictionsOf(air);
  assert.ok(step !== undefined);
  const { due, id } = sourceTarget([air, other], step.source);
  assert.deepEqual(
    due.map(({ topology, facts }) => [topology, facts.name]),
    [air, other].map(({ name }) => [name, step.name]),
  );
  assert.deepEqual(id, { field: step.keyField, type: step.keyType });
});

test("a view that several topologies have is no target by its name alone", () => {
  const other = { ...air, name: "other" };
  const name = viewsOf(air)[0]?.name ?? "";
  assert.equal(viewTarget([air], name).name, name);
  assert.throws(() => viewTarget([air, other], name), { code: "VIEW_AMBIGUOUS" });
});
