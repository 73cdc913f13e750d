/**
 * Topologies on real servers, run from several data directories: they grow, and share a champion.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { verifyRun } from "../../audit/verify-run.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { RunProcess } from "../../loadtest/run-process.ts";
import { openStack, run } from "../../run.ts";
import { type Stack, storesOf } from "../../runtime/hosting/stack.ts";
import { strandsOf } from "../../runtime/hosting/strands.ts";
import { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { writeBuiltInModel } from "../../runtime/services/train/built-in-model-fixture.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { Plan } from "../../schemas/plan.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { stopLocalServers } from "../../stacks/local/local-servers.ts";
import { openLocalStack } from "../../stacks/local-stack.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import {
  type Order,
  order,
  type ShopOptions,
  sendOrders,
  shopTopology,
} from "../../testing/shops-fixture.ts";
import { modelDesk } from "../inspect/model-desk.ts";
import { until, withStack } from "../millrace-fixture.ts";

const skip = requirement("java-21", "maven", "redis-server");
const folder = await mkdtemp(join(tmpdir(), "millrace-growing-servers-"));
const directory = join(folder, "servers");
const wide = { counted: true, windows: ["1h", "3h"] } as const satisfies ShopOptions;
let stack: Stack;
let settings: Readonly<Record<string, string>>;

before(async () => {
  if (skip !== false) return;
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = await freePorts(4);
  stack = await openLocalStack({ directory, ports: { kafka, registry, redis, clickhouse } });
  settings = {
    kafkaBrokers: `127.0.0.1:${kafka}`,
    registryUrl: `http://127.0.0.1:${registry}/apis/ccompat/v7`,
    redisUrl: `redis://127.0.0.1:${redis}`,
    clickhouseUrl: `http://127.0.0.1:${clickhouse}`,
    clickhousePasswordFile: clickHousePasswordFile(join(directory, "clickhouse")),
  };
  await sendOrders(shopTopology("alpha", 4), stack);
});

after(async () => {
  if (skip === false) {
    await stack?.close();
    await stopLocalServers(directory);
  }
  await rm(folder, { recursive: true, force: true });
});

const place = "topic, partition, offset, topic_id";

/** Rows of a table, and the sum of their hashes: blind to where they stood. */
function digest({ offline }: Pick<Stack, "offline">, topology: string, table: string) {
  const measured = table === "raw_scores" ? ", latency_ms, source_offset" : "";
  const hash = `sum(cityHash64(tuple(* EXCEPT (${place}${measured}))))`;
  return offline.of(topology).queryText(`SELECT count(), ${hash} FROM ${table}`, "TSV");
}

const wholes = new Map<string, Promise<string[]>>();

/** What tables of a topology hold that runs from the beginning, on its own embedded stack. */
function wholeOf(plan: Plan, tables: readonly string[]): Promise<string[]> {
  const found = wholes.get(plan.fingerprint) ?? runWhole(plan, tables);
  wholes.set(plan.fingerprint, found);
  return found;
}

async function runWhole(plan: Plan, tables: readonly string[]): Promise<string[]> {
  const data = join(folder, `whole-${plan.name}-${plan.fingerprint.slice(0, 8)}`);
  const own = await openStack({ data });
  await sendOrders(plan, own);
  await own.close();
  assert.deepEqual((await run(plan, { data })).problems, []);
  return withStack(data, (whole) =>
    Promise.all(tables.map((table) => digest(whole, plan.name, table))),
  );
}

async function moduleOf(name: string, options: ShopOptions): Promise<string> {
  const app = join(folder, `${name}.ts`);
  const fixture = new URL("../../testing/shops-fixture.js", import.meta.url).href;
  const lines = [
    `import { shopTopology } from ${JSON.stringify(fixture)};`,
    `export default shopTopology(${JSON.stringify(name)}, 4, ${JSON.stringify(options)});\n`,
  ];
  await writeFile(app, lines.join("\n"));
  return app;
}

const flags = () => [
  ...["--stack", "cluster", "--kafka-brokers", settings["kafkaBrokers"] ?? ""],
  ...["--registry-url", settings["registryUrl"] ?? ""],
  ...["--redis-url", settings["redisUrl"] ?? ""],
  ...["--clickhouse-url", settings["clickhouseUrl"] ?? ""],
  ...["--clickhouse-password-file", settings["clickhousePasswordFile"] ?? ""],
];

async function assertGrown(small: Plan, grown: Plan): Promise<void> {
  const { name } = small;
  const standing = ["raw_shop_v1", "raw_scores", "raw_dead_letters"];
  assert.deepEqual(
    await Promise.all(standing.map((table) => digest(stack, name, table))),
    await wholeOf(small, standing),
    "what stood is what it would be alone",
  );
  const [rows, shown] = await wholeOf(grown, ["raw_shop_v1"]).then(async ([first]) => [
    first,
    await digest(stack, name, "raw_shop_v1_l2"),
  ]);
  assert.equal(shown, rows, "and the view what it would be with its columns from the beginning");
  const strands = await strandsOf(stack.broker, grown);
  for (const plan of strands) {
    const { problems } = await verifyRun({ plan, ...storesOf(stack, name) });
    assert.deepEqual(problems, [], plan.name);
  }
  const ask = { view: "shop", key: ["s0"], at: null, topology: name };
  const { freshness, features } = await inspectStack(strands, stack, []).features(ask);
  assert.equal(freshness, "FRESH");
  assert.ok(features.every(({ filled, value }) => filled && value !== null));
}

test("a window that is added on another data directory grows there, and mixes with nothing", {
  skip,
  timeout: 300_000,
}, async () => {
  const small = shopTopology("alpha", 4);
  const grown = shopTopology("alpha", 4, { windows: ["1h", "2h"] });
  const of = (data: string) => ({ stack: "cluster", data: join(folder, data), settings }) as const;
  assert.equal((await run(small, of("alpha-here"))).outcome, "done");
  assert.equal((await run(grown, of("alpha-there"))).outcome, "done");
  await assertGrown(small, grown);
  // Back on the first directory it is the plan of Kafka that counts.
  await assert.rejects(run(small, of("alpha-here")), { code: "PLAN_CHANGED" });
  assert.equal((await run(grown, of("alpha-here"))).outcome, "done");
  await assertGrown(small, grown);
});

/** What the metrics of a run say of a series of one plan, all labels added up. */
async function scrape(address: string, series: string, plan: string): Promise<number> {
  const text = await (await fetch(address)).text();
  const values = [...text.matchAll(new RegExp(`^${series}\\{([^}]*)\\} (\\S+)$`, "gm"))];
  return values
    .filter(([, labels]) => labels?.includes(`topology="${plan}"`))
    .reduce((sum, [, , value]) => sum + Number(value), 0);
}

/** Kills a worker of a strand once that has committed something, and waits for its successor. */
async function killWorkerOf(growing: RunProcess, strand: string): Promise<void> {
  const [, address = ""] = await growing.saw(/metrics +(\S+)/);
  await growing.saw(/(?:worker started[\s\S]*){4}/);
  await growing.until("a commit of the strand", async () => {
    const commits = await scrape(address, "millrace_commits_total", strand);
    return commits > 0 ? true : null;
  });
  // The last that were started are those of the strand.
  const victim = growing.workers.get("1") ?? 0;
  process.kill(victim, "SIGKILL");
  await growing.saw(/Worker 1 was killed by SIGKILL; it is started again/);
}

test("with two workers, one of them killed while it grows, it is the same", {
  skip,
  timeout: 300_000,
}, async () => {
  const small = shopTopology("beta", 4);
  const data = join(folder, "beta");
  assert.equal((await run(small, { stack: "cluster", data, settings })).outcome, "done");
  const app = await moduleOf("beta", wide);
  // Slow enough that the strand still runs when its first commit shows in the metrics.
  const slowly = ["--workers", "2", "--slow", "orders=4000", "--commit-interval-ms", "20"];
  const growing = new RunProcess([...flags(), "--data", data, ...slowly], app);
  await killWorkerOf(growing, "beta.shop.v1.l2");
  assert.equal(await growing.ended, 0, growing.output);
  assert.match(growing.output, /shop@1 has caught up/);
  await assertGrown(small, shopTopology("beta", 4, wide));
});

test("two machines that grow it at once, one of them killed on the way, do what one does", {
  skip,
  timeout: 300_000,
}, async () => {
  const small = shopTopology("epsilon", 4);
  const of = { stack: "cluster", data: join(folder, "epsilon"), settings } as const;
  assert.equal((await run(small, of)).outcome, "done");
  const app = await moduleOf("epsilon", wide);
  const start = (machine: string) => {
    const place = ["--data", join(folder, `epsilon-${machine}`)];
    const slowly = ["--slow", "orders=5000", "--commit-interval-ms", "20"];
    return new RunProcess([...flags(), ...place, ...slowly], app);
  };
  const [one, two] = [start("one"), start("two")];
  const hasBegun = async (machine: RunProcess) => {
    const [, address = ""] = await machine.saw(/metrics +(\S+)/);
    await machine.until("a commit of the strand", async () => {
      const commits = await scrape(address, "millrace_commits_total", "epsilon.shop.v1.l2");
      return commits > 0 ? true : null;
    });
  };
  await Promise.all([one, two].map(hasBegun));
  two.signal("SIGKILL");
  await two.ended;
  const again = start("two");
  const ends = await Promise.all([one.ended, again.ended]);
  assert.deepEqual(ends, [0, 0], one.output + again.output);
  // Who comes back may find all done.
  assert.match(one.output + again.output, /shop@1 has caught up/);
  await assertGrown(small, shopTopology("epsilon", 4, wide));
});

test("of machines that grow it apart at once one goes on", { skip, timeout: 300_000 }, async () => {
  const small = shopTopology("theta", 4);
  const at = (data: string | number, plan: Plan) =>
    run(plan, { stack: "cluster", data: join(folder, `theta-${data}`), settings });
  assert.equal((await at("small", small)).outcome, "done");
  const options = [wide, { counted: true, windows: ["1h", "6h"] } as const];
  const plans = options.map((each) => shopTopology("theta", 4, each));
  const ends = await Promise.allSettled(plans.map((plan, index) => at(index, plan)));
  const won = ends.findIndex(({ status }) => status === "fulfilled");
  const lost = ends[1 - won];
  assert.match(String(lost?.status === "rejected" && lost.reason), /cannot go on with this one/);
  await assertGrown(small, plans[won] as Plan);
});

/** Sends an order of now every 25 ms until it is stopped. */
function sendingNow(): { readonly stop: () => Promise<number> } {
  let [sent, stopped] = [0, false];
  const sending = (async () => {
    const producer = await stack.broker.producer({ transactionalId: null });
    const encoder = new AvroEncoder(order, await stack.registry.register("orders-value", order));
    for (; !stopped; sent++) {
      const orderId = `live${sent}`;
      const value = new ByteWriter();
      const made: Order = { orderId, at: Date.now(), shop: `s${sent % 3}`, amount: sent % 20 };
      encoder.encode(made as unknown as Record<string, unknown>, value);
      const batch = new RecordBatchBuilder();
      batch.append(Buffer.from(orderId), value.take(), made.at);
      await producer.send([
        { topic: "orders", partition: partitionOf(orderId, 2), batch: batch.build() },
      ]);
      await wait(25);
    }
    await producer.close();
  })();
  return {
    stop: async () => {
      stopped = true;
      await sending;
      return sent;
    },
  };
}

test("live, with two workers, one of them killed, what stood and what is added agree", {
  skip,
  timeout: 300_000,
}, async () => {
  const data = join(folder, "gamma");
  const live = (time: string) => [...flags(), "--data", data, "--live", "--for", time];
  const first = new RunProcess(live("5s"), await moduleOf("gamma", {}));
  assert.equal(await first.ended, 0, first.output);
  const sending = sendingNow();
  const grown = new RunProcess([...live("9m"), "--workers", "2"], await moduleOf("gamma", wide));
  await grown.saw(/(?:tasks restored[\s\S]*){4}/);
  await killWorkerOf(grown, "gamma.shop.v1.l2").catch(async (error: unknown) => {
    await sending.stop();
    throw error;
  });
  await grown.saw(/shop@1 has caught up/);
  const sent = await sending.stop();
  const own = stack.offline.of("gamma");
  const scored = "SELECT count() AS n FROM raw_scores WHERE order_id LIKE 'live%'";
  const counted =
    "SELECT sum(n) AS n FROM " +
    "(SELECT argMax(orders_1h, (as_of, seq)) AS n FROM raw_shop_v1_l2 GROUP BY shop)";
  for (const sql of [scored, counted]) {
    await until(`${sent} orders: ${sql}`, async () => {
      const [row] = await own.query<{ n: number }>(sql);
      return row?.n === sent ? true : null;
    });
  }
  // Rows on the way may differ: the clock decides for each which partition it waits for.
  const last = (table: string) =>
    own.queryText(
      `SELECT shop, argMax(large_1h, (as_of, seq)) FROM ${table} GROUP BY shop ORDER BY shop`,
      "TSV",
    );
  // Each table has a pump of its own: the scores of an order may be there before its rows.
  await until("the rows that stood to be as those that were added", async () => {
    const [stood, added] = [await last("raw_shop_v1"), await last("raw_shop_v1_l2")];
    return stood === added ? true : null;
  });
  grown.signal("SIGINT");
  assert.equal(await grown.ended, 130, grown.output);
  const plans = await strandsOf(stack.broker, shopTopology("gamma", 4, wide));
  assert.deepEqual(
    plans.map(({ growth }) => growth?.cutOver),
    [undefined, true],
  );
  const ask = { view: "shop", key: ["s0"], at: null, topology: "gamma" };
  const { features } = await inspectStack(plans, stack, []).features(ask);
  assert.ok(features.every(({ filled }) => filled));
});

/** Version that a gateway answers an order by now. */
async function versionAt(gateway: string): Promise<string | null> {
  const answer = await fetch(`${gateway}/v1/predict/scores`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ record: { shop: "s0", amount: 7 } }),
  });
  if (!answer.ok) return null;
  return ((await answer.json()) as { version: string | null }).version;
}

/** Partitions of the predictions that a version has made, oldest answer first. */
function answeredIn(version: string, since: number) {
  return stack.offline.of("delta").query<{ partition: number; ms: number }>(
    `WITH toUnixTimestamp64Milli(known_at) AS known
    SELECT partition, toFloat64(min(known + latency_ms)) - ${since} AS ms
    FROM raw_scores WHERE version = '${version}' AND known > ${since}
    GROUP BY partition ORDER BY ms`,
  );
}

test("two gateways and the workers beside them answer by a champion soon after it is named", {
  skip,
  timeout: 300_000,
}, async (t) => {
  const plan = shopTopology("delta", 4);
  const app = await moduleOf("delta", {});
  const runs = ["delta-one", "delta-two"].map((name) => {
    const live = ["--live", "--for", "9m", "--listen", "0"];
    return new RunProcess([...flags(), "--data", join(folder, name), ...live], app);
  });
  const gateways = await Promise.all(
    runs.map(async (each) => (await each.saw(/gateway +(http:\S+)/))[1] ?? ""),
  );
  const sending = sendingNow();
  const desk = modelDesk([plan], stack, Date.now);
  const asked = { model: "fraud", topology: null, effectiveFrom: null, by: "test", why: "" };
  const unread = { golden: null, tolerance: 1e-5, order: null, output: null, positive: null };
  const registered = (seed: string, champion: boolean) => {
    const file = writeBuiltInModel(join(folder, `${seed}.onnx`), ["shop_large_1h", "amount"], seed);
    return desk.registerModel({ ...asked, ...unread, file, champion, logit: false });
  };
  const changed = async (version: string) => {
    const since = Date.now();
    const served = gateways.map(async (url) => {
      await until(`${version} at a gateway`, async () =>
        (await versionAt(url)) === version ? true : null,
      );
      return Date.now() - since;
    });
    const streamed = until(`${version} of both workers`, async () => {
      const found = await answeredIn(version, since);
      return found.length === 2 ? found.map(({ ms }) => Math.round(ms)) : null;
    });
    return { served: await Promise.all(served), streamed: await streamed };
  };
  try {
    assert.equal((await registered("first", true)).version, "r1");
    await changed("r1");
    // Nobody had a model before: both score, each for one partition of the predictions.
    for (const each of runs) {
      const [, address = ""] = await each.saw(/metrics +(\S+)/);
      await each.until("rows that it scored", async () =>
        /^millrace_scored_rows_total(?:\{.*\})? [1-9]/m.test(await (await fetch(address)).text())
          ? true
          : null,
      );
    }
    assert.equal((await registered("second", false)).version, "r2");
    await desk.promoteModel({ ...asked, version: "r2" });
    const { served, streamed } = await changed("r2");
    const [doors, workers] = [served, streamed].map((times) => `${times.join(" and ")} ms`);
    t.diagnostic(`after the promotion: gateways answer by it at ${doors}, workers at ${workers}`);
    assert.ok(Math.max(...served, ...streamed) < 30_000);
  } finally {
    await sending.stop();
    for (const each of runs) each.signal("SIGINT");
    await Promise.all(runs.map(({ ended }) => ended));
  }
});
