/** The tutorial, run to its end: docs/tutorial.md tells what comes of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { run } from "millrace/run";
import { packageRoot } from "../../schemas/package-root.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-tutorial-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a model is trained and promoted, loses to new thieves, and its successor learns them", async () => {
  const app = join(packageRoot(), "examples", "tutorial", "app.ts");
  const { outcome, summary } = await run(app, { data: join(folder, "data") });
  assert.equal(outcome, "done");
  assert.ok(summary?.balanced);
  const [first, second, third] = summary.models;
  assert.ok(first?.promoted && second?.promoted && third?.promoted);
  // The second one was in force when thieves began to spend little.
  assert.ok((first.liveAuc ?? 0) > 0.8, `first: ${first.liveAuc}`);
  assert.ok((second.liveAuc ?? 1) < 0.75, `second: ${second.liveAuc}`);
  assert.ok((third.liveAuc ?? 0) > (second.liveAuc ?? 1) + 0.03, `third: ${third.liveAuc}`);
});
