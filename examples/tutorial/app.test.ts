/** The tutorial, run to its end: docs/tutorial.md tells what comes of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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

test("the looks that the page takes at the run answer, as they stand there", () => {
  const page = readFileSync(join(packageRoot(), "docs", "tutorial.md"), "utf8");
  const [, step = ""] = /^## 6\. Run it$(.*?)^## /ms.exec(page) ?? [];
  const lines = step.match(/^npx millrace .*$/gm) ?? [];
  const looks = lines.map((line) => /^npx millrace (\w+)/.exec(line)?.[1]);
  assert.deepEqual(looks, ["models", "sql", "verify"]);
  const millrace = `'${process.execPath}' '${join(packageRoot(), "cli", "millrace.mjs")}'`;
  const answers = lines.map((line) => {
    const command = line.replace(/^npx millrace/, () => millrace);
    const { status, stdout, stderr } = spawnSync(`${command} --data '${join(folder, "data")}'`, {
      ...{ shell: true, encoding: "utf8", cwd: join(packageRoot(), "examples", "tutorial") },
      env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir() },
    });
    assert.equal(status, 0, `${line}\n${stdout}${stderr}`);
    return stdout;
  });
  const [models = "", days = ""] = answers;
  assert.match(models, /v1/);
  assert.match(days, /2026-01-05/);
});
