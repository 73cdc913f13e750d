/** Looks with a module that was changed since its last start. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openStack, run } from "../../run.ts";
import { sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { askMillrace, killStarted } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-changed-"));
const data = join(folder, "data");
after(async () => {
  killStarted();
  await rm(folder, { recursive: true, force: true });
});

async function moduleOf(name: string, partitions: number, options: string): Promise<string> {
  const app = join(folder, `${name}.ts`);
  const fixture = new URL("../../testing/shops-fixture.js", import.meta.url).href;
  const lines = [
    `import { shopTopology } from ${JSON.stringify(fixture)};`,
    `export default shopTopology("shops", ${partitions}, ${options});\n`,
  ];
  await writeFile(app, lines.join("\n"));
  return app;
}

test("looks go on where a view was added, verify wants a start, a break is named: no data is given up", async () => {
  const plan = shopTopology("shops", 4);
  const stack = await openStack({ data });
  await sendOrders(plan, stack);
  await stack.close();
  assert.equal((await run(plan, { data })).outcome, "done");
  const look = (...args: string[]) => askMillrace(...args, "--data", data);

  const grown = await moduleOf("grown", 4, '{ second: ["1h", "3h"] }');
  for (const args of [
    ["dead-letters", "list", grown],
    ["sql", grown, "SELECT count() AS n FROM shop"],
  ]) {
    const { code, err } = await look(...args);
    assert.equal(code, 0, err);
  }
  const verified = await look("verify", grown);
  assert.equal(verified.code, 1, verified.err);
  assert.match(verified.err, /DATA_PLAN_CHANGED.*\(grow\).*filled by the next start/s);

  const broken = await look("dead-letters", "list", await moduleOf("broken", 3, "{}"));
  assert.equal(broken.code, 1, broken.err);
  assert.match(broken.err, /DATA_PLAN_CHANGED.*\(break\).*millrace diff/s);
  assert.doesNotMatch(verified.err + broken.err, /--fresh|another --data/);
});
