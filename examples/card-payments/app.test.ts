/** Four weeks of card payments, run to their end. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "millrace/run";
import application from "./app.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-card-payments-"));
const data = join(folder, "data");
after(() => rmSync(folder, { recursive: true, force: true }));

test("partitioned by card, each payment has a prediction, and a model beats the prior", async () => {
  const { outcome, summary } = await run(application, { data, settings: { days: 28 } });
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
