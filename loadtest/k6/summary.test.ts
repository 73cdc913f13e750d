import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../schemas/package-root.ts";

interface Module {
  summary(data: object, required: readonly string[]): Readonly<Record<string, string>>;
}

async function summaryOf(data: object): Promise<Readonly<Record<string, string>>> {
  // k6 gives scripts their settings so.
  Object.assign(globalThis, { __ENV: {} });
  const file = pathToFileURL(join(packageRoot(), "loadtest", "k6", "summary.js")).href;
  const { summary } = (await import(file)) as Module;
  return summary(data, []);
}

test("a name as long as its column stands apart from its figures", async () => {
  const values = { min: 0.004, count: 3 };
  const { stdout } = await summaryOf({ metrics: { http_req_tls_handshaking: { values } } });
  assert.match(stdout ?? "", /^http_req_tls_handshaking min 0, count 3$/m);
});

test("figures stand in one order, whatever k6 gave them in", async () => {
  const thresholds = [
    ["p(99)<9", { ok: false }],
    ["max<9", { ok: false }],
  ] as const;
  const values = Object.entries({ count: 1, "p(99)": 9, max: 10, min: 2, "p(50)": 5, avg: 4 });
  const metricOf = (turn: <T>(of: readonly T[]) => T[]) => ({
    thresholds: Object.fromEntries(turn(thresholds)),
    values: Object.fromEntries(turn(values)),
  });
  const summaries = [];
  for (const turn of [<T>(of: readonly T[]) => [...of], <T>(of: readonly T[]) => of.toReversed()]) {
    const metrics = turn(["sent", "asked"]).map((name) => [name, metricOf(turn)] as const);
    summaries.push(await summaryOf({ metrics: Object.fromEntries(metrics) }));
  }
  assert.deepEqual(summaries[0], summaries[1]);
  const told = /^asked +min 2, avg 4, p\(50\) 5, p\(99\) 9, max 10, count 1$/m;
  assert.match(summaries[0]?.["stdout"] ?? "", told);
});
