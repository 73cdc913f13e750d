/** Two runs of one application on the same servers, each with a data directory of its own. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { soonTrained } from "../../examples/flights/soon-trained-fixture.ts";
import { allDigests } from "../../loadtest/digests.ts";
import { millrace, querySql, RunProcess } from "../../loadtest/run-process.ts";
import { frontUser } from "../../sinks/chdb/front-password.ts";
import { registryUrl } from "../../stacks/local/apicurio.ts";
import { clickHousePasswordFile } from "../../stacks/local/clickhouse.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import type { Summary } from "../summary/summary.ts";

const skip = requirement("java-21", "maven", "redis-server");
const folder = mkdtempSync(join(tmpdir(), "millrace-machines-"));
const servers = join(folder, "servers");
const app = fileURLToPath(
  new URL("../../examples/flights/soon-trained-fixture.js", import.meta.url),
);
/** Long enough that a model is trained and scores. */
const range = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T22:00"];
let cluster: string[] = [];

before(async () => {
  if (skip !== false) return;
  const ports = await freePorts(4);
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = ports;
  const names = ["--kafka-port", "--registry-port", "--redis-port", "--clickhouse-port"];
  const flags = names.flatMap((name, index) => [name, String(ports[index])]);
  await millrace("stack", "up", "--data", servers, ...flags);
  cluster = [
    ...["--stack", "cluster", "--kafka-brokers", `127.0.0.1:${kafka}`],
    ...["--registry-url", registryUrl(registry), "--redis-url", `redis://127.0.0.1:${redis}`],
    ...["--clickhouse-url", `http://127.0.0.1:${clickhouse}`, "--clickhouse-user", frontUser],
    ...["--clickhouse-password-file", clickHousePasswordFile(join(servers, "clickhouse"))],
  ];
});

after(async () => {
  if (skip === false) await millrace("stack", "down", "--data", servers);
  rmSync(folder, { recursive: true, force: true });
});

function start(name: string, ...more: string[]): RunProcess {
  const place = ["--data", join(folder, name), "--summary", join(folder, `${name}.json`)];
  return new RunProcess([...cluster, ...place, ...range, "--metrics", "0", ...more], app);
}

/** Sum of a series over its labels, as the run says it now. */
async function scrape(run: RunProcess, series: string): Promise<number> {
  const [, address = ""] = await run.saw(/metrics +(\S+)/);
  const text = await (await fetch(address)).text();
  const values = text.matchAll(new RegExp(`^${series}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Its own tasks have moved on since it was asked first. */
function works(run: RunProcess): Promise<true> {
  return run.until("commits", async () =>
    (await scrape(run, "millrace_commits_total")) > 5 ? true : null,
  );
}

test("two machines share a plan, one is killed and comes back, and the rows are those of one", {
  skip,
  timeout: 600_000,
}, async () => {
  const slow = ["--slow", "flights.arrivals=10", "--commit-interval-ms", "20"];
  const one = start("one", "--workers", "2", ...slow);
  await works(one);
  const two = start("two", ...slow);
  await Promise.all([works(two), works(one)]);
  two.signal("SIGKILL");
  await two.ended;
  const again = start("two", ...slow);
  const ends = await Promise.all([one.ended, again.ended]);
  assert.deepEqual(ends, [0, 0], one.output + again.output);
  for (const { output } of [one, again]) {
    assert.match(output, /tasks restored/);
    assert.doesNotMatch(output, /FENCED|UNKNOWN_MEMBER/);
    assert.match(output, /Balanced|Not added up/);
  }
  const summaries = ["one", "two"].map(
    (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as Summary,
  );
  for (const { balanced, models } of summaries) {
    assert.notEqual(balanced, false);
    assert.ok(models.some(({ promoted, scored }) => promoted && scored > 0));
  }
  await millrace("run", app, "--data", join(folder, "alone"), ...range);
  const alone = await querySql(["--data", join(folder, "alone")], allDigests(soonTrained));
  const place = [...cluster, "--data", join(folder, "one")];
  assert.equal(await querySql(place, allDigests(soonTrained)), alone);
  await millrace("verify", ...place);
});
