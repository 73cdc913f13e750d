/** Replays of what stands: what came behind the end of one, the next one takes. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyRun } from "../../audit/verify-run.ts";
import { openStack, run } from "../../run.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import {
  type Order,
  openOrderSender,
  orders,
  sendOrders,
  shopTopology,
} from "../../testing/shops-fixture.ts";
import { withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-behind-"));
after(() => rm(folder, { recursive: true, force: true }));

const plan = shopTopology("shops", 4);
const data = join(folder, "data");
const last = orders.at(-1)?.at ?? 0;

async function onStack(use: (stack: Stack) => Promise<void>): Promise<void> {
  const stack = await openStack({ data });
  await use(stack).finally(() => stack.close());
}

async function sendOne(stack: Stack, orderId: string, at: number, partitions = 2): Promise<void> {
  const sender = await openOrderSender(stack);
  const sent: Order = { orderId, at, shop: "s0", amount: 3 };
  await sender.send(sent, partitionOf(orderId, partitions));
  await sender.close();
}

/** Runs to the end of what stands, where all is added up; gives the end. */
async function balanced(predictions: number): Promise<number> {
  const { outcome, problems, summary } = await run(plan, { data });
  assert.deepEqual([outcome, problems], ["done", []]);
  assert.equal(summary?.predictions.total, predictions);
  return Date.parse(summary?.range.to ?? "");
}

test("what came behind the end of a replay, older or not, the next one takes and adds up", async () => {
  await onStack((stack) => sendOrders(plan, stack));
  let end = await balanced(orders.length);
  assert.equal(end, last + 1);
  let sent = orders.length;
  for (const at of [last - 30_000, last, end, end + 30_000, end + 1_000]) {
    await onStack((stack) => sendOne(stack, `behind ${sent}`, at));
    const next = await balanced(++sent);
    assert.ok(next > end, "it is known at the end of the one before, and so before its own");
    end = next;
  }
  assert.equal(await balanced(sent), end, "with nothing more nothing changes");
  await withStack(data, async (stack) => {
    const report = await verifyRun({ ...stack, plan, offline: stack.offline.of(plan.name) });
    assert.deepEqual(report.problems, []);
  });
});

test("so it does with old records in partitions that were added", async () => {
  const total = orders.length + 5;
  const added = Array.from({ length: 40 }, (_, n) => `added ${n}`).filter(
    (id) => partitionOf(id, 5) > 1,
  );
  await onStack(async (stack) => {
    await stack.broker.addPartitions("orders", 5);
    for (const [n, id] of added.entries()) await sendOne(stack, id, last - 20_000 + n, 5);
  });
  await balanced(total + added.length);
  await withStack(data, async (stack) => {
    const report = await verifyRun({ ...stack, plan, offline: stack.offline.of(plan.name) });
    assert.deepEqual(report.problems, []);
  });
});
