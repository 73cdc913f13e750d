/** A live run on real servers whose source is given partitions while records come. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { RunProcess } from "../../loadtest/run-process.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { stopLocalServers } from "../../stacks/local/local-servers.ts";
import { openLocalStack } from "../../stacks/local-stack.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { type Order, openOrderSender, shopTopology } from "../../testing/shops-fixture.ts";
import { killStarted, startMillrace, until } from "../millrace-fixture.ts";

const skip = requirement("java-21", "maven", "redis-server");
const folder = await mkdtemp(join(tmpdir(), "millrace-growing-sources-"));
const directory = join(folder, "servers");
const [few, many] = [2, 5];
const source = "orders";
let stack: Stack;
let cluster: readonly string[];

before(async () => {
  if (skip !== false) return;
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = await freePorts(4);
  stack = await openLocalStack({ directory, ports: { kafka, registry, redis, clickhouse } });
  cluster = [
    ...["--stack", "cluster", "--kafka-brokers", `127.0.0.1:${kafka}`],
    ...["--registry-url", `http://127.0.0.1:${registry}/apis/ccompat/v7`],
    ...["--redis-url", `redis://127.0.0.1:${redis}`],
    ...["--clickhouse-url", `http://127.0.0.1:${clickhouse}`],
    ...["--clickhouse-password-file", clickHousePasswordFile(join(directory, "clickhouse"))],
  ];
});

after(async () => {
  killStarted();
  if (skip === false) {
    await stack?.close();
    await stopLocalServers(directory);
  }
  await rm(folder, { recursive: true, force: true });
});

async function moduleOf(name: string): Promise<string> {
  const app = join(folder, `${name}.ts`);
  const fixture = new URL("../../testing/shops-fixture.js", import.meta.url).href;
  const lines = [
    `import { shopTopology } from ${JSON.stringify(fixture)};`,
    `export default shopTopology(${JSON.stringify(name)}, 4, { counted: true });\n`,
  ];
  await writeFile(app, lines.join("\n"));
  return app;
}

/** The source, empty, with the few partitions that it has at first. */
async function makeSource(): Promise<void> {
  const { broker } = stack;
  await broker.deleteTopics([source]);
  const config = shopTopology("any", 4).topics.find(({ name }) => name === source)?.config ?? {};
  await broker.createTopics([{ name: source, partitions: few, config }]);
}

/**
 * Sends an order of now every 20 ms until it is stopped: each second one where those that were told
 * of more partitions send it, the others where nobody was told.
 */
class Sender {
  /** What producers are told. */
  partitions: number = few;
  /** Orders sent, by partition. */
  readonly sent = new Map<number, number>();
  #stopped = false;
  readonly #sending = this.#send();

  get total(): number {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#sending;
  }

  async #send(): Promise<void> {
    const sender = await openOrderSender(stack);
    for (let n = 0; !this.#stopped; n++) {
      const made: Order = { orderId: `o${n}`, at: Date.now(), shop: `s${n % 3}`, amount: n % 20 };
      const partition = partitionOf(made.orderId, n % 2 === 0 ? few : this.partitions);
      await sender.send(made, partition);
      this.sent.set(partition, (this.sent.get(partition) ?? 0) + 1);
      await wait(20);
    }
    await sender.close();
  }
}

/** By partition of the source, the sum of what matches in the metrics of a run. */
async function scrape(live: RunProcess, series: RegExp): Promise<Map<number, number>> {
  const [, address = ""] = await live.saw(/metrics +(\S+)/);
  const found = new Map<number, number>();
  for (const line of (await (await fetch(address)).text()).split("\n")) {
    if (!series.test(line)) continue;
    const partition = Number(/partition="(\d+)"/.exec(line)?.[1]);
    found.set(partition, (found.get(partition) ?? 0) + Number(line.split(" ").at(-1)));
  }
  return found;
}

/** Waits until every order that was sent has a score, and is counted once in its shop. */
async function allScored(live: RunProcess, name: string, sent: number): Promise<void> {
  const own = stack.offline.of(name);
  await live.until(`${sent} scores`, async () => {
    const [row] = await own.query<{ n: number }>("SELECT count() AS n FROM raw_scores");
    return (row?.n ?? 0) >= sent ? true : null;
  });
  const once = "SELECT count(), uniqExact(order_id) FROM raw_scores";
  assert.equal((await own.queryText(once, "TSV")).trim(), `${sent}\t${sent}`);
  const counted =
    "SELECT sum(n) AS n FROM (SELECT argMax(orders_1h, (as_of, seq)) AS n FROM raw_shop_v1 GROUP BY shop)";
  await live.until(`${sent} orders counted`, async () => {
    const [row] = await own.query<{ n: number }>(counted);
    return row?.n === sent ? true : null;
  });
}

async function growWhileLive(name: string, more: readonly string[]): Promise<void> {
  await makeSource();
  const app = await moduleOf(name);
  const place = [...cluster, "--data", join(folder, name)];
  const live = new RunProcess([...place, "--live", ...more], app);
  const sender = new Sender();
  try {
    await live.until("first scores", async () => {
      const [row] = await stack.offline
        .of(name)
        .query<{ n: number }>("SELECT count() AS n FROM raw_scores");
      return (row?.n ?? 0) > 50 ? true : null;
    });
    await stack.broker.addPartitions(source, many);
    sender.partitions = many;
    await live.saw(/orders has 5 partitions, 2 before/);
    await until("orders in every partition", () =>
      [2, 3, 4].every((each) => (sender.sent.get(each) ?? 0) > 20) ? true : null,
    );
    await sender.stop();
    await allScored(live, name, sender.total);
    const lag = await scrape(live, /^millrace_lag\{.*reader="source".*topic="orders"/);
    assert.deepEqual(
      [...lag].sort(),
      [0, 1, 2, 3, 4].map((each) => [each, 0]),
    );
    const read = await scrape(live, /^millrace_source_records\{.*branch="scores".*became="in"/);
    assert.deepEqual([...read].sort(), [...sender.sent].sort());
    live.signal("SIGINT");
    assert.equal(await live.ended, 130, live.output);
  } finally {
    await sender.stop();
    live.signal("SIGKILL");
  }
  const { code, out, err } = await startMillrace("verify", app, ...place, "--live", "--reread")
    .ended;
  assert.equal(code, 0, out + err);
  assert.match(out, /Everything is there, once/);
  assert.doesNotMatch(live.output, /-\d+ records\/s/);
}

test(
  "a live run takes up partitions that its source is given, and reads again alike",
  {
    skip,
    timeout: 300_000,
  },
  () => growWhileLive("alone", []),
);

test("with two workers it is the same", { skip, timeout: 300_000 }, () =>
  growWhileLive("shared", ["--workers", "2"]),
);
