/** Texts, booleans, whole numbers of 64 bits and instants of views, on every way that they go. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { recomputeRun } from "../../audit/recomputed/recompute-run.ts";
import {
  agg,
  application,
  decoder,
  eventFeeder,
  from,
  gt,
  hashed,
  offline,
  oneHot,
  online,
  prior,
  topic,
  topology,
  types,
} from "../../index.ts";
import { aggregateKind } from "../../processors/aggregate/registry.ts";
import { openStack, run } from "../../run.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { encoderOf } from "../../schemas/encodings/encodings.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-values-"));
const data = join(folder, "data");
after(() => rmSync(folder, { recursive: true, force: true }));

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly card: string;
  readonly category: string | null;
  readonly receipt: number | bigint;
  readonly abroad: boolean;
  readonly orderedAt: number | null;
  readonly amount: number;
}
/** JSON whose whole numbers are texts, so that none is a double. */
const payment = decoder({
  name: "payments",
  version: 1,
  fields: {
    paymentId: types.text(),
    at: types.timestamp("ms"),
    card: types.text(),
    category: types.nullable(types.text()),
    receipt: types.integer(),
    abroad: types.boolean(),
    orderedAt: types.nullable(types.timestamp("ms")),
    amount: types.number(),
  },
  decode: (bytes) => {
    const given = JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, string>;
    return { ...given, receipt: BigInt(given["receipt"] ?? "") } as never;
  },
  encode: (record) => Buffer.from(JSON.stringify({ ...record, receipt: String(record.receipt) })),
});

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const categories = ["fuel", "o'clock\t\\\n", "", null, "é￿😀"] as const;
const payments = Array.from({ length: 1_500 }, (_, n): Payment => {
  const mixed = (Math.imul(n + 1, 0x9e3779b1) >>> 0) % 1_009;
  // Four share an instant, of as many cards or of one.
  const at = start + Math.floor(n / 4) * minute;
  return {
    paymentId: `p${n}`,
    at,
    card: `c${mixed % 5}`,
    category: categories[mixed % categories.length] ?? null,
    receipt: 2n ** 63n - 700n + BigInt(n),
    abroad: mixed % 3 === 0,
    orderedAt: mixed % 7 === 0 ? null : at - mixed,
    amount: mixed % 20,
  };
});

const source = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("paymentId");
const cards = source
  .keyedBy("card")
  .over("10m", "2h")
  .compute({
    payments: agg.count(),
    category: agg.last("category"),
    large: agg.last("category", { where: gt("amount", 15) }),
    first: agg.first("category"),
    receipt: agg.last("receipt"),
    abroad: agg.last("abroad"),
    ordered: agg.first("orderedAt"),
  })
  .asFeatureView("cards@1", { ttl: "1d" })
  .into(online, offline);
const scores = source
  .enrichedWith({ card: cards.at("card") }, { missing: "null", request: { amount: "amount" } })
  .derived({
    last: oneHot("card_category_10m", ["fuel", "food"]),
    large: hashed("card_large_2h", 3),
  })
  .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(0.1) })
  .into(topic("scores"), offline);
const plan = topology("cards", { scores }, { partitions: 2 });

let stack: Stack;
before(async () => {
  const events = payments.map((value) => ({ topic: "payments", at: value.at, value }));
  const feeder = eventFeeder({ events });
  const spec = application({ topologies: plan, feeder });
  assert.equal((await run(spec, { data })).outcome, "done");
  stack = await openStack({ data });
});
after(() => stack.close());

/** Payments of a card in a window before q, oldest first; each instant is known at itself. */
function windowOf(card: string, q: number, lengthMs: number): Payment[] {
  return payments.filter((each) => each.card === card && each.at < q && each.at >= q - lengthMs);
}

const utf8 = (text: string) => Buffer.from(text, "utf8");

/** The last category: of those of one instant the largest by its bytes. */
function lastCategory(of: readonly Payment[]): string | null {
  const known = of.filter(({ category }) => category !== null);
  const newest = known
    .filter(({ at }) => at === known.at(-1)?.at)
    .map((each) => `${each.category}`);
  return newest.sort((a, b) => Buffer.compare(utf8(a), utf8(b))).at(-1) ?? null;
}

test("SQL finds every stored value of every type, at every point", async () => {
  const range = { from: start, to: (payments.at(-1)?.at ?? 0) + 1 };
  const asked = { plan, stack, definitions: aggregateKind, ...range, points: 3_000 };
  const { mismatches, checked, left } = await recomputeRun(asked);
  assert.deepEqual([mismatches, left], [[], []]);
  assert.ok(checked > 2_000, `${checked} look-ups`);
});

test("SQL that finds another text is told", async () => {
  const range = { from: start, to: (payments.at(-1)?.at ?? 0) + 1 };
  const wrong = "(SELECT * REPLACE (upper(category_10m) AS category_10m) FROM raw_cards_v1)";
  const asked = { plan, stack, definitions: aggregateKind, ...range, points: 300 };
  const { mismatches } = await recomputeRun({ ...asked, rowsOf: () => wrong });
  const found = mismatches.map(({ column, expected, found }) => `${column} ${expected} ${found}`);
  assert.ok(found.includes("category_10m fuel FUEL"), found.join("\n"));
});

test("tables have the types of the fields, and views are read at any instant from either store", async () => {
  const types = await stack.offline
    .of("cards")
    .query<{ name: string; type: string }>(
      "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND " +
        "table = 'raw_cards_v1' AND name LIKE '%_10m'",
    );
  assert.deepEqual(Object.fromEntries(types.map(({ name, type }) => [name, type])), {
    payments_10m: "UInt32",
    category_10m: "Nullable(String)",
    large_10m: "Nullable(String)",
    first_10m: "Nullable(String)",
    receipt_10m: "Nullable(Int128)",
    abroad_10m: "Nullable(UInt8)",
    ordered_10m: "Nullable(DateTime64(3, 'UTC'))",
  });
  const inspector = inspectStack([plan], stack, []);
  const end = (payments.at(-1)?.at ?? 0) + 1;
  for (const [at, from] of [
    [end, "online"],
    [start + 200 * minute + 1, "offline"],
  ] as const) {
    const request = { view: "cards", key: ["c2"], at, topology: null };
    const { features, source: answered } = await inspector.features(request);
    assert.equal(answered, from);
    const values = Object.fromEntries(features.map(({ name, value }) => [name, value]));
    const known = windowOf("c2", at, 120 * minute);
    const newest = known.filter((each) => each.at === known.at(-1)?.at);
    const receipts = newest.map(({ receipt }) => BigInt(receipt)).sort();
    assert.equal(values["receipt_2h"], String(receipts.at(-1)));
    assert.equal(values["category_2h"], lastCategory(known));
    assert.equal(
      values["abroad_2h"],
      newest.some(({ abroad }) => abroad),
    );
    const ordered = known.filter(({ orderedAt }) => orderedAt !== null);
    const oldest = ordered.filter((each) => each.at === ordered[0]?.at);
    assert.equal(values["ordered_2h"], Math.min(...oldest.map((each) => Number(each.orderedAt))));
  }
});

test("vectors hold numbers, and what is made of texts; predictions are what the definitions say", async () => {
  const [scoring] = stepsOf(plan, "scoring");
  const made = ["large_hash_0", "large_hash_1", "large_hash_2", "last_food", "last_fuel"];
  const numbers = ["payments", "receipt", "abroad", "ordered"].flatMap((name) =>
    ["10m", "2h"].map((window) => `card_${name}_${window}`),
  );
  assert.deepEqual(scoring?.features, [...numbers, ...made, "amount"]);
  const rows = await stack.offline
    .of("cards")
    .query<Record<string, number | string | null>>(
      `SELECT payment_id, ${made.join(", ")}, card_receipt_2h, card_abroad_10m FROM scores`,
    );
  assert.equal(rows.length, payments.length);
  const one = (at: boolean | null) => (at === null ? null : Number(at));
  for (const row of rows) {
    const { card, at } = payments.find((each) => each.paymentId === row["payment_id"]) as Payment;
    const recent = windowOf(card, at, 10 * minute);
    const text = lastCategory(recent);
    const large = lastCategory(windowOf(card, at, 120 * minute).filter((each) => each.amount > 15));
    const expected = {
      last_fuel: one(text === null ? null : text === "fuel"),
      last_food: one(text === null ? null : false),
      ...Object.fromEntries(
        [0, 1, 2].map((bucket) => {
          const number = encoderOf({ kind: "hashed", buckets: 3, bucket })(large);
          return [`large_hash_${bucket}`, Number.isNaN(number) ? null : number];
        }),
      ),
      card_abroad_10m:
        recent.length === 0
          ? null
          : Number(recent.some((each) => each.at === recent.at(-1)?.at && each.abroad)),
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(row[name], value, `${name} of ${row["payment_id"]}`);
    }
    const known = windowOf(card, at, 120 * minute).map(({ receipt }) => Number(receipt));
    assert.equal(row["card_receipt_2h"], known.length === 0 ? null : Math.max(...known));
  }
});
