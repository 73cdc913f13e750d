/** Topologies of equal names of views, steps and keys: each as if it were alone. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openStack, run } from "../../run.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import type { Plan } from "../../schemas/plan.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { stopLocalServers } from "../../stacks/local/local-servers.ts";
import { openLocalStack } from "../../stacks/local-stack.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { orders, sendOrders, shopTopology } from "../../testing/shops-fixture.ts";
import { withStack } from "../millrace-fixture.ts";

const folder = await mkdtemp(join(tmpdir(), "millrace-namespaces-"));
after(() => rm(folder, { recursive: true, force: true }));

const alpha = shopTopology("alpha", 4);
const beta = shopTopology("beta", 14);

const plumbing = "topic, partition, offset, topic_id";

/** Rows of a topology's tables, and the sum of their hashes: blind to where they stood. */
async function digest({ offline }: Pick<Stack, "offline">, { name }: Plan): Promise<string> {
  const parts = [
    ["raw_shop_v1", plumbing],
    ["raw_scores", `${plumbing}, latency_ms, source_offset`],
    ["raw_dead_letters", plumbing],
  ].map(
    ([table, except]) =>
      `SELECT '${table}', count(), sum(cityHash64(tuple(* EXCEPT (${except})))) FROM ${table}`,
  );
  const sql = `SELECT * FROM (${parts.join(" UNION ALL ")}) ORDER BY 1`;
  return await offline.of(name).queryText(sql, "TSV");
}

/** A source as others have it: its partitions, codec and cleanup are theirs. */
const foreign = {
  name: "orders",
  partitions: 3,
  config: { "compression.type": "zstd", "cleanup.policy": "compact" },
};

/** What each leaves where nobody else is. */
const alone = new Map<string, string>();

before(async () => {
  for (const plan of [alpha, beta]) {
    const data = join(folder, `only-${plan.name}`);
    const filling = await openStack({ data });
    await filling.broker.createTopics([foreign]);
    await sendOrders(plan, filling);
    await filling.close();
    assert.equal((await run(plan, { data })).outcome, "done");
    const stack = await openStack({ data });
    const found = await digest(stack, plan);
    assert.match(found, /raw_dead_letters\t1\t/);
    assert.match(found, new RegExp(`raw_scores\\t${orders.length}\\t`));
    alone.set(plan.name, found);
    await stack.close();
  }
  assert.notEqual(alone.get("alpha"), alone.get("beta"));
});

async function assertApart(stack: Stack): Promise<void> {
  for (const plan of [alpha, beta]) {
    assert.equal(await digest(stack, plan), alone.get(plan.name), plan.name);
  }
  const inspector = inspectStack([alpha, beta], stack, []);
  const values: number[] = [];
  for (const topology of ["alpha", "beta"]) {
    const answer = await inspector.features({ view: "shop", key: ["s0"], at: null, topology });
    assert.deepEqual([answer.topology, answer.freshness], [topology, "FRESH"]);
    values.push(Number(answer.features[0]?.value));
  }
  assert.ok((values[0] ?? 0) > (values[1] ?? 1), "more is large where less counts as large");
}

interface Standing {
  readonly topics: readonly string[];
  readonly subjects: readonly string[];
}

async function standing(stack: Stack, subjects: () => Promise<string[]>): Promise<Standing> {
  const described = await stack.broker.describeTopics();
  const topics = described.map(({ name, id, partitions }) => `${name} ${id} ${partitions}`);
  return { topics: topics.sort(), subjects: (await subjects()).sort() };
}

/** All that stood still stands as it was; what came is named for one of the topologies. */
function assertOnlyOwn(before: Standing, now: Standing): void {
  for (const kind of ["topics", "subjects"] as const) {
    const was = new Set(before[kind]);
    for (const each of before[kind]) assert.ok(now[kind].includes(each), each);
    const added = now[kind].filter((each) => !was.has(each));
    assert.ok(added.length > 5, kind);
    const strange = added.filter((each) => !/^(alpha|beta)\./.test(each));
    assert.deepEqual(strange, [], `${kind} outside of the namespaces`);
  }
}

test("two topologies of an application leave what each would leave alone", async () => {
  const data = join(folder, "both");
  const subjects = async () => {
    const lines = (await readFile(join(data, "schemas.ndjson"), "utf8")).split("\n");
    return lines.flatMap((line) => (line === "" ? [] : [String(JSON.parse(line).subject)]));
  };
  const filling = await openStack({ data });
  await filling.broker.createTopics([foreign]);
  await sendOrders(alpha, filling);
  const before = await standing(filling, subjects);
  await filling.close();
  const { outcome, problems } = await run([alpha, beta], { data });
  assert.deepEqual([outcome, problems], ["done", []]);
  await withStack(data, async (stack) => {
    assertOnlyOwn(before, await standing(stack, subjects));
    await assertApart(stack);
    const inspector = inspectStack([alpha, beta], stack, []);
    const ask = (topology: string | null) =>
      inspector.features({ view: "shop", key: ["s0"], at: null, topology });
    await assert.rejects(ask(null), { code: "VIEW_AMBIGUOUS" });
    await assert.rejects(ask("alpa"), { code: "LOOK_UNKNOWN", message: /did you mean alpha/ });
    const current = (topology: string | null) =>
      inspector.sql({ query: "SELECT currentDatabase()", format: "TSV", topology });
    assert.equal(await current(null), "alpha\n");
    assert.equal(await current("beta"), "beta\n");
    const letters = await inspector.deadLetters({ limit: 10, bytes: 0 });
    assert.deepEqual(
      letters.map(({ topology }) => topology),
      ["alpha", "beta"],
    );
  });
});

test("two applications on the same servers leave what each would leave alone", {
  skip: requirement("java-21", "maven", "redis-server"),
  timeout: 300_000,
}, async () => {
  const directory = join(folder, "servers");
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = await freePorts(4);
  const ports = { kafka, registry, redis, clickhouse };
  const stack = await openLocalStack({ directory, ports });
  try {
    const subjects = async () =>
      (await (
        await fetch(`http://127.0.0.1:${registry}/apis/ccompat/v7/subjects`)
      ).json()) as string[];
    await stack.broker.createTopics([foreign]);
    await sendOrders(alpha, stack);
    const before = await standing(stack, subjects);
    const settings = {
      kafkaBrokers: `127.0.0.1:${kafka}`,
      registryUrl: `http://127.0.0.1:${registry}/apis/ccompat/v7`,
      redisUrl: `redis://127.0.0.1:${redis}`,
      clickhouseUrl: `http://127.0.0.1:${clickhouse}`,
      clickhousePasswordFile: clickHousePasswordFile(join(directory, "clickhouse")),
    };
    const ends = await Promise.all(
      [alpha, beta].map((plan) =>
        run(plan, { stack: "cluster", data: join(folder, `of-${plan.name}`), settings }),
      ),
    );
    assert.deepEqual(
      ends.map(({ outcome, problems }) => [outcome, problems]),
      [
        ["done", []],
        ["done", []],
      ],
    );
    assertOnlyOwn(before, await standing(stack, subjects));
    await assertApart(stack);
    const other = shopTopology("alpha", 4, { windows: ["2h"] });
    const elsewhere = join(folder, "elsewhere");
    const refused = run(other, { stack: "cluster", data: elsewhere, settings });
    await assert.rejects(refused, { code: "PLAN_CHANGED", message: /break: view shop@1: no more/ });
    assert.equal(await readManifest(elsewhere), null, "nothing was begun there");
    await assertApart(stack);
  } finally {
    await stack.close();
    await stopLocalServers(directory);
  }
});
