/** What a start that failed before anything ran leaves for the next one: nothing that binds it. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openStack, run } from "../../run.ts";
import { application } from "../../runtime/hosting/application-spec.ts";
import { eventFeeder } from "../../runtime/hosting/event-feeder.ts";
import type { Plan } from "../../schemas/plan.ts";
import { type Order, orders, sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-failed-start-"));
after(() => rm(folder, { recursive: true }));

const small = shopTopology("shops", 4);
const hour = 3_600_000;
const few = orders.slice(0, 30);
const later = few.map((each) => ({ ...each, at: each.at + hour }));
const broken = { ...few[3], amount: "much" };

function fed(events: readonly object[], plan: Plan = small) {
  const feeder = eventFeeder({
    events: events.map((value) => ({ topic: "orders", at: (value as Order).at, value })),
  });
  return application({ topologies: plan, feeder });
}

function scored(data: string): Promise<string> {
  const sql = "SELECT count(), toUnixTimestamp64Milli(min(known_at)) FROM raw_scores";
  return withStack(data, ({ offline }) => offline.of("shops").queryText(sql, "TSV"));
}

test("a feeder whose first events are wrong is mended, whatever range it has then", async () => {
  const data = join(folder, "feeder");
  const wrong = fed([...few.slice(0, 3), broken, ...few.slice(4)]);
  await assert.rejects(run(wrong, { data }), { code: "VALUE_INVALID" });
  assert.deepEqual((await run(fed(later), { data })).problems, []);
  assert.equal((await scored(data)).trim(), `30\t${later[0]?.at}`);
  const changed = { code: "DATA_RANGE_CHANGED", message: /begun with events of its feeder from/ };
  await assert.rejects(run(fed(few), { data }), changed, "now it has run");
});

test("a source that is missing leaves no plan, and no other name or mode, behind", async () => {
  const data = join(folder, "source");
  await assert.rejects(run(small, { data }), { code: "SOURCE_MISSING" });
  await assert.rejects(run(small, { data, mode: "live", settings: { for: "1s" } }), {
    code: "SOURCE_MISSING",
  });
  const other = shopTopology("shops", 5);
  const stack = await openStack({ data });
  await sendOrders(other, stack);
  await stack.close();
  assert.deepEqual((await run(other, { data })).problems, []);
  await assert.rejects(run(small, { data }), { code: "PLAN_CHANGED" }, "now it has run");
});
