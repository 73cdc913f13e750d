/** Columns that are added to a view that has run: as if they had always been there. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { verifyRun } from "../../audit/verify-run.ts";
import { openStack, run } from "../../run.ts";
import { migrateCatalog, migrateOffline } from "../../runtime/hosting/catalog.ts";
import { type Stack, storesOf } from "../../runtime/hosting/stack.ts";
import { evolutionOf, strandsOf } from "../../runtime/hosting/strands.ts";
import type { Plan } from "../../schemas/plan.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
import { orders, type ShopOptions, sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { askMillrace, killStarted, startMillrace, withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-widening-"));
after(async () => {
  killStarted();
  await rm(folder, { recursive: true, force: true });
});

const wide = { counted: true, windows: ["1h", "3h"] } as const satisfies ShopOptions;
const wider = { counted: true, windows: ["1h", "2h", "3h"] } as const satisfies ShopOptions;
const small = shopTopology("shops", 4);
const widened = shopTopology("shops", 4, wide);
const hour = 3_600_000;

/** Rows that a statement gives, and the sum of their hashes. */
function digest({ offline }: Pick<Stack, "offline">, from: string, columns: string) {
  const sql = `SELECT count(), sum(cityHash64(tuple(${columns}))) FROM ${from}`;
  return offline.of("shops").queryText(sql, "TSV");
}

const place = "topic, partition, offset, topic_id";
const all = `* EXCEPT (${place})`;
const standing: Readonly<Record<string, string>> = {
  raw_shop_v1: all,
  raw_scores: `* EXCEPT (${place}, latency_ms, source_offset)`,
  raw_dead_letters: all,
};

async function digests(stack: Stack): Promise<string[]> {
  return Promise.all(
    Object.entries(standing).map(([table, columns]) => digest(stack, table, columns)),
  );
}

async function begun(name: string, plan: Plan): Promise<string> {
  const data = join(folder, name);
  const stack = await openStack({ data });
  await sendOrders(plan, stack);
  await stack.close();
  assert.equal((await run(plan, { data })).outcome, "done");
  return data;
}

/** What the small topology leaves, and what those with more columns leave from the beginning. */
let left: string[] = [];
let wholeRows = "";
let wholeShown = "";
let widerRows = "";
const cutAt = (orders[200]?.at ?? 0) + 5 * hour;
let rowsFromCut = "";
const ask = { view: "shop", key: ["s0"], at: null, topology: null };
let values: readonly (readonly [string, unknown])[] = [];

before(async () => {
  await withStack(await begun("small", small), async (stack) => {
    left = await digests(stack);
  });
  await withStack(await begun("whole", widened), async (stack) => {
    wholeRows = await digest(stack, "raw_shop_v1", all);
    wholeShown = await digest(stack, "shop", "*");
    rowsFromCut = await digest(stack, `shop WHERE as_of >= ${sqlTime(cutAt)}`, "*");
    const { features } = await inspectStack([widened], stack, []).features(ask);
    values = features.map(({ name, value }) => [name, value]);
  });
  await withStack(await begun("wider", shopTopology("shops", 4, wider)), async (stack) => {
    widerRows = await digest(stack, "raw_shop_v1", all);
  });
});

async function moduleOf(name: string, options: ShopOptions): Promise<string> {
  const app = join(folder, `${name}.ts`);
  const fixture = new URL("../../testing/shops-fixture.js", import.meta.url).href;
  const lines = [
    `import { shopTopology } from ${JSON.stringify(fixture)};`,
    `export default shopTopology("shops", 4, ${JSON.stringify(options)});\n`,
  ];
  await writeFile(app, lines.join("\n"));
  return app;
}

/** What stood is what it was, and the view is what it would be with its columns from the start. */
async function assertWidened(stack: Stack): Promise<void> {
  assert.deepEqual(await digests(stack), left);
  assert.equal(await digest(stack, "raw_shop_v1_l2", all), wholeRows);
  assert.equal(await digest(stack, "shop", "*"), wholeShown);
  const strands = await strandsOf(stack.broker, widened);
  assert.deepEqual(
    strands.map(({ name, growth }) => [name, growth?.cutOver]),
    [
      ["shops", undefined],
      ["shops.shop.v1.l2", true],
    ],
  );
  for (const plan of strands) {
    const { problems } = await verifyRun({ plan, ...storesOf(stack, "shops") });
    assert.deepEqual(problems, [], plan.name);
  }
  const answer = await inspectStack(strands, stack, []).features(ask);
  assert.deepEqual([answer.view, answer.freshness], ["shop@1", "FRESH"]);
  assert.deepEqual(
    answer.features.map(({ name, value }) => [name, value]),
    values,
  );
  assert.ok(answer.features.every((each) => each.filled && each.completeSince === null));
}

test("columns that are added to a view are filled from the beginning, beside what stands", async () => {
  const data = await begun("grown", small);
  const app = await moduleOf("grown", wide);
  const diff = await askMillrace("diff", app, "--data", data);
  assert.equal(diff.code, 0, diff.err);
  assert.equal(
    diff.out.trim(),
    "shops: grow\n  grow: view shop@1: gets orders_1h, orders_3h, large_3h; the vector of scores " +
      "stays without them, as its models were trained on it (for another vector give the " +
      "topology another name, or start over)",
  );
  for (const start of ["it grows", "it goes on"]) {
    assert.equal((await run(widened, { data })).outcome, "done", start);
    await withStack(data, assertWidened);
  }
  const list = await askMillrace("features", "list", "shop", app, "--data", data);
  assert.match(list.out, /shop@1 +orders_3h +the beginning/, list.err);
  const same = await askMillrace("diff", app, "--data", data);
  assert.equal(same.out.trim(), "shops: same");
  await assert.rejects(run(small, { data }), {
    code: "PLAN_CHANGED",
    message: /view shop@1: .*orders/,
  });
});

test("until the cut-over readers see what stood, and null in the columns that are added", async () => {
  const data = await begun("before", small);
  await withStack(data, async (stack) => {
    const { running } = await evolutionOf(stack.broker, widened);
    for (const plan of running) await migrateOffline(stack, plan);
    await migrateCatalog(stack, "shops", running);
    const { features, freshness } = await inspectStack(running, stack, []).features(ask);
    assert.equal(freshness, "FRESH");
    const expected = new Map(values);
    assert.deepEqual(
      features.map(({ name, value, filled }) => [name, value, filled]),
      [
        ["large_1h", expected.get("large_1h"), true],
        ...["orders_1h", "orders_3h", "large_3h"].map((name) => [name, null, false]),
      ],
    );
    const listed = await inspectStack(running, stack, []).columns({ view: "shop@1" });
    assert.deepEqual(
      listed.map(({ name, filled }) => [name, filled]),
      features.map(({ name, filled }) => [name, filled]),
    );
    const own = stack.offline.of("shops");
    const rows = "SELECT count(), count(orders_1h), count(large_3h) FROM shop";
    assert.match(await own.queryText(rows, "TSV"), /^[1-9]\d+\t0\t0\n$/);
    const filled = "SELECT column, filled FROM feature_catalog WHERE view = 'shop' ORDER BY column";
    assert.equal(
      await own.queryText(filled, "TSV"),
      "large_1h\t1\nlarge_3h\t0\norders_1h\t0\norders_3h\t0\n",
    );
  });
});

test("a view that has grown grows again, and what served it until then is retired", async () => {
  const data = await begun("again", small);
  const plan = shopTopology("shops", 4, wider);
  for (const each of [widened, plan, plan]) {
    assert.equal((await run(each, { data })).outcome, "done");
  }
  await withStack(data, async (stack) => {
    assert.deepEqual(await digests(stack), left);
    assert.equal(await digest(stack, "raw_shop_v1_l3", all), widerRows);
    const { running, retired } = await evolutionOf(stack.broker, plan);
    assert.deepEqual(
      [running, retired].map((plans) => plans.map(({ name }) => name)),
      [["shops", "shops.shop.v1.l3"], ["shops.shop.v1.l2"]],
    );
    assert.equal(
      (await stack.offline.of("shops").query("SELECT orders_2h FROM shop")).length > 0,
      true,
    );
  });
});

test("killed at any time while a view gets columns, and started again, it is the same", async () => {
  const data = await begun("killed", small);
  const app = await moduleOf("killed", wide);
  for (const killAfterMs of [1_200, 1_800, 2_400]) {
    const { child, ended } = startMillrace("run", app, "--data", data);
    await Promise.race([ended, wait(killAfterMs)]);
    child.kill("SIGKILL");
    await ended;
  }
  const last = await askMillrace("run", app, "--data", data);
  assert.equal(last.code, 0, `${last.out}${last.err}`);
  await withStack(data, assertWidened);
});

test("of a source that has lost its beginning, what stood stays right for all times", async () => {
  const data = await begun("lost", small);
  await withStack(data, ({ broker }) =>
    broker.deleteRecords([0, 1].map((partition) => ({ topic: "orders", partition, offset: 100 }))),
  );
  assert.equal((await run(widened, { data })).outcome, "done");
  await withStack(data, async (stack) => {
    assert.deepEqual(await digests(stack), left);
    const from = `shop WHERE as_of >= ${sqlTime(cutAt)}`;
    assert.equal(await digest(stack, from, "*"), rowsFromCut);
    const inspector = inspectStack(await strandsOf(stack.broker, widened), stack, []);
    const { features } = await inspector.features(ask);
    const since = new Map(features.map((each) => [each.name, each.completeSince]));
    assert.equal(since.get("large_1h"), null, "what stood was right from the beginning");
    const counted = since.get("orders_1h") ?? 0;
    assert.equal(since.get("orders_3h"), counted + 2 * hour);
    assert.ok(counted > 0 && counted <= cutAt);
    // Before the columns that stood are right in the new layout, the old one answers.
    const early = await inspector.features({ ...ask, at: counted - 1 });
    const then = await inspectStack([small], stack, []).features({ ...ask, at: counted - 1 });
    assert.equal(
      early.features.find(({ name }) => name === "large_1h")?.value,
      then.features[0]?.value,
    );
    assert.equal(early.features.find(({ name }) => name === "orders_1h")?.value, null);
    const sql = `SELECT count(orders_1h) FROM shop WHERE as_of < ${sqlTime(counted)}`;
    assert.equal(await stack.offline.of("shops").queryText(sql, "TSV"), "0\n");
    const past = "SELECT count(), sum(large_1h) FROM";
    const own = stack.offline.of("shops");
    const old = `(SELECT * FROM raw_shop_v1 ORDER BY shop, as_of, seq DESC LIMIT 1 BY shop, as_of)`;
    const before = `WHERE as_of < ${sqlTime(counted)}`;
    assert.equal(
      await own.queryText(`${past} shop ${before}`, "TSV"),
      await own.queryText(`${past} ${old} ${before}`, "TSV"),
    );
  });
});
