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

test("a model is trained and promoted, and one that has seen the new thieves takes its place", async () => {
  const app = join(packageRoot(), "examples", "tutorial", "app.ts");
  const { outcome, summary } = await run(app, { data: join(folder, "data") });
  assert.equal(outcome, "done");
  assert.ok(summary?.balanced);
  const [first, ...others] = summary.models.filter(
    ({ promoted, scored }) => promoted && scored > 0,
  );
  assert.ok((first?.liveAuc ?? 0) > 0.7, `first: ${first?.liveAuc}`);
  const last = others.at(-1);
  assert.ok((last?.liveAuc ?? 0) > 0.7, `last: ${last?.liveAuc}`);
});
