/** A whole run whose source is given partitions between two starts. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyRun } from "../../audit/verify-run.ts";
import { openStack, run } from "../../run.ts";
import { orders, sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-partitions-"));
after(() => rm(folder, { recursive: true, force: true }));

test("what stands in partitions that were added is read at the next start, and verify finds it", async () => {
  const plan = shopTopology("shops", 4);
  const data = join(folder, "data");
  const first = await openStack({ data });
  await sendOrders(plan, first);
  await first.close();
  assert.equal((await run(plan, { data })).summary?.predictions.total, orders.length);
  const filling = await openStack({ data });
  await filling.broker.addPartitions("orders", 5);
  await sendOrders(plan, filling, "orders", 0, 86_400_000);
  await filling.close();
  const { outcome, problems, summary } = await run(plan, { data });
  assert.deepEqual([outcome, problems], ["done", []]);
  assert.equal(summary?.predictions.total, 2 * orders.length);
  await withStack(data, async (stack) => {
    const report = await verifyRun({ ...stack, plan, offline: stack.offline.of(plan.name) });
    assert.deepEqual(report.problems, []);
    const added = report.sources.filter(({ partition }) => partition > 1);
    assert.equal(added.length, 3);
    assert.ok(added.every(({ records }) => records > 10));
  });
});
