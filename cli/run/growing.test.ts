/** A view that is added to a topology that has run: as if it had always been there. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { verifyRun } from "../../audit/verify-run.ts";
import { openStack, run } from "../../run.ts";
import { type Stack, storesOf } from "../../runtime/hosting/stack.ts";
import { strandsOf } from "../../runtime/hosting/strands.ts";
import { viewId } from "../../schemas/feature-view.ts";
import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { strandOf, withoutViews } from "../../schemas/plan-strands.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
import { orders, sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { askMillrace, killStarted, startMillrace, withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-growing-"));
after(async () => {
  killStarted();
  await rm(folder, { recursive: true, force: true });
});

const small = shopTopology("shops", 4);
const grown = shopTopology("shops", 4, { second: ["1h", "3h"] });
const hour = 3_600_000;

/** Rows of a table from an event time on, and the sum of their hashes. */
async function digest({ offline }: Pick<Stack, "offline">, table: string, from = 0) {
  const except = "topic, partition, offset, topic_id";
  const measured = table === "raw_scores" ? ", latency_ms, source_offset" : "";
  const where = from === 0 ? "" : `WHERE as_of >= ${sqlTime(from)}`;
  const hash = `sum(cityHash64(tuple(* EXCEPT (${except}${measured}))))`;
  return await offline
    .of("shops")
    .queryText(`SELECT count(), ${hash} FROM ${table} ${where}`, "TSV");
}

const standing = ["raw_shop_v1", "raw_scores", "raw_dead_letters"];

/** What the grown topology leaves where it ran from the beginning. */
const whole = new Map<string, string>();
const wholeFrom = new Map<number, string>();
const since = (orders[200]?.at ?? 0) + 5 * hour;

async function begun(name: string, plan: Plan): Promise<string> {
  const data = join(folder, name);
  const stack = await openStack({ data });
  await sendOrders(plan, stack);
  await stack.close();
  assert.equal((await run(plan, { data })).outcome, "done");
  return data;
}

before(async () => {
  const data = await begun("whole", grown);
  await withStack(data, async (stack) => {
    for (const table of [...standing, "raw_shop_v2"]) whole.set(table, await digest(stack, table));
    wholeFrom.set(since, await digest(stack, "raw_shop_v2", since));
  });
});

/** A module of the topology, for processes. */
async function moduleOf(name: string, options: string): Promise<string> {
  const app = join(folder, `${name}.ts`);
  const fixture = new URL("../../testing/shops-fixture.js", import.meta.url).href;
  const lines = [
    `import { shopTopology } from ${JSON.stringify(fixture)};`,
    `export default shopTopology("shops", 4, ${options});\n`,
  ];
  await writeFile(app, lines.join("\n"));
  return app;
}

async function assertWhole(stack: Stack): Promise<void> {
  for (const [table, found] of whole) assert.equal(await digest(stack, table), found, table);
  const strands = await strandsOf(stack.broker, grown);
  assert.deepEqual(
    strands.map(({ name }) => name),
    ["shops", "shops.shop.v2"],
  );
  for (const plan of strands) {
    const { problems } = await verifyRun({ plan, ...storesOf(stack, "shops") });
    assert.deepEqual(problems, [], plan.name);
  }
}

test("what stood before is cut out as it was, and the rest is the view and its source", () => {
  const rest = withoutViews(grown, new Set(["shop@2"]));
  for (const part of [
    "sources",
    "steps",
    "accounts",
    "stored",
    "subtopologies",
    "topics",
  ] as const) {
    assert.deepEqual(rest[part], small[part], part);
  }
  const strand = strandOf(grown, "shop@2");
  assert.deepEqual(stepsOf(strand, "view").map(viewId), ["shop@2"]);
  const shared = new Set(small.topics.map(({ name }) => name));
  assert.deepEqual(
    strand.topics.map(({ name }) => name).filter((name) => shared.has(name)),
    ["orders", "shops.orders.watermarks"],
  );
});

test("a version that is added is filled from the beginning, beside what stands untouched", async () => {
  const data = await begun("grown", small);
  await withStack(data, async (stack) => {
    for (const table of standing) assert.equal(await digest(stack, table), whole.get(table));
  });
  for (const start of ["it grows", "it goes on"]) {
    assert.equal((await run(grown, { data })).outcome, "done", start);
    await withStack(data, async (stack) => {
      await assertWhole(stack);
      const inspector = inspectStack(await strandsOf(stack.broker, grown), stack, []);
      const ask = { key: ["s0"], at: null, topology: null };
      const newest = await inspector.features({ ...ask, view: "shop" });
      assert.deepEqual([newest.view, newest.freshness], ["shop@2", "FRESH"]);
      assert.ok(newest.features.every(({ completeSince }) => completeSince === null));
      assert.equal((await inspector.features({ ...ask, view: "shop@1" })).freshness, "FRESH");
      const shown = await stack.offline.of("shops").query("SELECT orders_3h FROM shop LIMIT 1");
      assert.equal(shown.length, 1, "the name for analysts is that of the newest version");
      const sql =
        "SELECT version, count() AS columns, countIf(complete_since IS NULL AND filled) AS whole " +
        "FROM feature_catalog WHERE view = 'shop' GROUP BY version ORDER BY version";
      assert.equal(await stack.offline.of("shops").queryText(sql, "TSV"), "1\t1\t1\n2\t4\t4\n");
    });
  }
  // It left tasks, topics and rows: whoever takes it out again says so by another name.
  await assert.rejects(run(small, { data }), {
    code: "PLAN_CHANGED",
    message: /view shop@2: is gone/,
  });
  const diff = await askMillrace("diff", await moduleOf("small", "{}"), "--data", data);
  assert.equal(diff.code, 1, diff.err);
  assert.match(diff.out, /break: view shop@2: is gone/);
});

test("killed at any time while it grows, and started again, it is the same", async () => {
  const data = await begun("killed", small);
  const app = await moduleOf("killed", '{ second: ["1h", "3h"] }');
  for (const killAfterMs of [1_200, 1_800, 2_400]) {
    const { child, ended } = startMillrace("run", app, "--data", data);
    await Promise.race([ended, wait(killAfterMs)]);
    child.kill("SIGKILL");
    await ended;
  }
  const last = await askMillrace("run", app, "--data", data);
  assert.equal(last.code, 0, `${last.out}${last.err}`);
  await withStack(data, assertWhole);
});

test("a view over a new source grows, and is recomputed without what its own reading refused", async () => {
  const data = await begun("returns", small);
  const plan = shopTopology("shops", 4, { returns: true });
  await withStack(data, (stack) => sendOrders(plan, stack, "returns", 50));
  const app = await moduleOf("returns", "{ returns: true }");
  for (const verb of [["run"], ["verify", "--points", "400"]] as const) {
    const [command, ...more] = verb;
    const { code, out, err } = await askMillrace(command, app, "--data", data, ...more);
    assert.equal(code, 0, `${out}${err}`);
    if (command === "verify") assert.match(out, /look-ups recomputed .*: 0 differ/);
  }
});

test("of a source that has lost its beginning, it says since when each column is right", async () => {
  const data = await begun("lost", small);
  const cut = await withStack(data, async ({ broker }) => {
    const places = [0, 1].map((partition) => ({ topic: "orders", partition, offset: 100 }));
    await broker.deleteRecords(places);
    const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "earliest" })));
    return ends;
  });
  assert.deepEqual(cut, [100, 100]);
  assert.equal((await run(grown, { data })).outcome, "done");
  await withStack(data, async (stack) => {
    for (const table of standing) assert.equal(await digest(stack, table), whole.get(table));
    const inspector = inspectStack(await strandsOf(stack.broker, grown), stack, []);
    const ask = { view: "shop@2", key: ["s0"], at: null, topology: null };
    const { features } = await inspector.features(ask);
    const complete = Object.fromEntries(features.map((each) => [each.name, each.completeSince]));
    const first = (complete["orders_1h"] ?? 0) - hour;
    assert.equal(complete["orders_3h"], first + 3 * hour);
    const sql =
      "SELECT toUnixTimestamp64Milli(complete_since) AS at FROM feature_catalog " +
      "WHERE version = 2 AND column = 'orders_3h'";
    const told = await stack.offline.of("shops").query(sql);
    assert.deepEqual(told, [{ at: complete["orders_3h"] }]);
    assert.ok(Object.values(complete).every((each) => each !== null && each <= since));
    assert.equal(await digest(stack, "raw_shop_v2", since), wholeFrom.get(since));
    assert.notEqual(await digest(stack, "raw_shop_v2"), whole.get("raw_shop_v2"));
  });
});
