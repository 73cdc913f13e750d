/** Every aggregate, over a stream that is chosen from and made anew, against SQL. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { recomputeRun } from "../../audit/recomputed/recompute-run.ts";
import {
  agg,
  application,
  custom,
  eq,
  eventFeeder,
  field,
  from,
  gt,
  neq,
  offline,
  recordSchema,
  topology,
  upper,
} from "../../index.ts";
import { aggregateKind } from "../../processors/aggregate/registry.ts";
import { openStack, run } from "../../run.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-recompute-"));
const data = join(folder, "data");
after(() => rmSync(folder, { recursive: true, force: true }));

interface Visit {
  readonly visitId: string;
  readonly at: number;
  readonly zone: number;
  readonly shop: string;
  readonly country: string | null;
  readonly home: string;
  readonly spent: number | null;
  readonly online: boolean;
}
const visit = recordSchema<Visit>({
  type: "record",
  name: "Visit",
  fields: [
    { name: "visitId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "zone", type: "int" },
    { name: "shop", type: "string" },
    { name: "country", type: ["null", "string"] },
    { name: "home", type: "string" },
    { name: "spent", type: ["null", "double"] },
    { name: "online", type: "boolean" },
  ],
});

const start = Date.UTC(2026, 0, 1);
/** Tenths, of which no sum is a double, and far larger ones that cancel each other out. */
const spentOf = (mixed: number) =>
  mixed % 5 === 0 ? (mixed % 2 === 0 ? 1e15 : -1e15) : mixed / 10;
const countries = ["de", "fr", null] as const;
const events = Array.from({ length: 2_000 }, (_, n): Visit => {
  const mixed = (Math.imul(n + 1, 0x9e3779b1) >>> 0) % 1_009;
  return {
    visitId: `v${n}`,
    at: start + n * 60_000 + mixed,
    zone: mixed % 3,
    shop: `s'\t${mixed % 7}`,
    country: countries[mixed % 3] ?? null,
    home: "de",
    spent: mixed % 11 === 0 ? null : mixed % 13 === 0 ? Number.NaN : spentOf(mixed),
    online: mixed % 2 === 0,
  };
});

const visits = from("visits", visit).timedBy("at", { lateness: "1m" }).partitionedBy("visitId");
const all = {
  visits: agg.count(),
  total: agg.sum("spent"),
  mean: agg.mean("spent", { where: eq("online", true) }),
  least: agg.min("spent"),
  most: agg.max("spent"),
  spread: agg.stddev("spent"),
  large: agg.share(gt("spent", 50)),
  median: agg.quantile("spent", 0.5),
  first: agg.first("spent"),
  last: agg.last("spent"),
  since: agg.sinceLast(),
};
const byShop = visits
  .keyedBy("zone", "shop")
  .over("30m", "6h")
  .compute({ ...all, countries: agg.distinct("country") })
  .asFeatureView("by_shop@1", { ttl: "12h" })
  .into(offline);
const abroad = visits
  .where(neq("country", field("home")))
  .select({ shop: upper("shop"), spent: "spent", online: "online" })
  .keyedBy("shop")
  .over("6h")
  .compute(all)
  .asFeatureView("abroad@1", { ttl: "12h" })
  .into(offline);
const closed = visits
  .keyedBy("shop")
  .over("6h")
  .compute({
    odd: agg.share(custom({ name: "odd", version: 1, test: (each: Visit) => each.zone === 1 })),
  })
  .asFeatureView("closed@1", { ttl: "12h" })
  .into(offline);
const once = visits
  .dedupedBy("visitId", { within: "1h" })
  .keyedBy("shop")
  .over("6h")
  .compute({ visits: agg.count() })
  .asFeatureView("once@1", { ttl: "12h" })
  .into(offline);
const plan = topology("visited", { byShop, abroad, closed, once });

test("all aggregates equal their SQL at every point; views that it cannot say are named, and why", async () => {
  const spec = application({
    topologies: plan,
    feeder: eventFeeder({
      events: events.map((value) => ({ topic: "visits", at: value.at, value })),
    }),
  });
  assert.equal((await run(spec, { data })).outcome, "done");
  const stack = await openStack({ data });
  try {
    const range = { from: start, to: (events.at(-1)?.at ?? 0) + 1 };
    const asked = { plan, stack, definitions: aggregateKind, ...range, points: 3_000 };
    const { mismatches, checked, left } = await recomputeRun(asked);
    assert.deepEqual(mismatches, []);
    assert.deepEqual(left, [
      { view: "closed@1", reason: "odd#1 is a closure" },
      {
        view: "once@1",
        reason:
          "of visits-by-visitId: which of the records of a value came first stands in no topic",
      },
    ]);
    assert.ok(checked > 2_000, `${checked} look-ups`);
  } finally {
    await stack.close();
  }
});
