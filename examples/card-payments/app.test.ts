/** Four weeks of card payments, run to their end. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openStack, run } from "millrace/run";
import { recomputeRun } from "../../audit/recomputed/recompute-run.ts";
import { aggregateKind } from "../../processors/aggregate/registry.ts";
import { viewTable } from "../../schemas/feature-view.ts";
import application from "./app.ts";
import { start } from "./simulator.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-card-payments-"));
const data = join(folder, "data");
const days = 28;
const [plan] = application.topologies;
after(() => rmSync(folder, { recursive: true, force: true }));

test("partitioned by card, each payment has a prediction, and a model beats the prior", async () => {
  const { outcome, summary } = await run(application, { data, settings: { days } });
  assert.equal(outcome, "done");
  assert.ok(summary?.balanced);
  const cards = summary.topologies["cards"];
  const scored = cards?.branches.filter(({ branch }) => branch === "predictions") ?? [];
  const payments = scored.reduce((sum, each) => sum + each.in, 0);
  assert.deepEqual([cards?.filtered, summary.predictions.total], [0, payments]);
  const [first] = summary.models.filter(({ promoted }) => promoted);
  // The prior answers alike for all: 0.5.
  assert.ok((first?.liveAuc ?? 0) > 0.75, `${first?.liveAuc}`);
});

test("the offline rows equal a naive recomputation in SQL, which notices 1 ms", async () => {
  assert.ok(plan !== undefined);
  const stack = await openStack({ data });
  try {
    const range = { from: start, to: start + days * 86_400_000 };
    const asked = { plan, stack, definitions: aggregateKind, ...range, points: 6_000 };
    const { mismatches, checked, tiled, left } = await recomputeRun(asked);
    assert.deepEqual([mismatches, tiled, left], [[], 0, []]);
    assert.ok(checked > 4_000, `${checked} look-ups`);
    const late = await recomputeRun({
      ...asked,
      rowsOf: (view) =>
        `(SELECT * REPLACE (as_of + INTERVAL 1 MILLISECOND AS as_of)
          FROM ${viewTable(view)})`,
    });
    assert.ok(late.mismatched > 100, `${late.mismatched} mismatches`);
  } finally {
    await stack.close();
  }
});
