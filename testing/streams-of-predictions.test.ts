import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq, gt } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { seededRandom } from "./simulator.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly amount: number | null;
}

interface Dispute {
  readonly paymentId: string;
  readonly at: number;
  readonly upheld: boolean;
}

const at = { name: "at", type: { type: "long", logicalType: "timestamp-millis" } } as const;
const paymentId = { name: "paymentId", type: "string" } as const;
const payments = from(
  "payments",
  recordSchema<Payment>({
    type: "record",
    name: "Payment",
    fields: [paymentId, at, { name: "amount", type: ["null", "double"] }],
  }),
)
  .timedBy("at", { lateness: "5m" })
  .partitionedBy("paymentId");
const disputes = from(
  "disputes",
  recordSchema<Dispute>({
    type: "record",
    name: "Dispute",
    fields: [paymentId, at, { name: "upheld", type: "boolean" }],
  }),
)
  .timedBy("at", { lateness: "5m" })
  .partitionedBy("paymentId");
const predictions = payments
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(disputes, { on: "paymentId", within: "2h", label: eq("upheld", true) })
  .into(topic("disputed"), offline);
const scored = predictions
  .keyedBy("model", "fallback")
  .over("1h")
  .compute({
    n: agg.count(),
    amount: agg.max("features.amount"),
    large: agg.share(gt("features.amount", 50)),
    chance: agg.mean("probability"),
    ids: agg.distinct("id"),
  })
  .asFeatureView("scored@1", { ttl: "1d" })
  .into(online, offline);
const judged = outcomes
  .keyedBy("model")
  .over("1h")
  .compute({
    n: agg.count(),
    labelled: agg.share(eq("labelled", true)),
    fraud: agg.share(eq("label", true)),
  })
  .asFeatureView("judged@1", { ttl: "1d" })
  .into(online, offline);
const disputedAlone = outcomes
  .where(eq("label", true))
  .select({ who: "model", sure: gt("probability", 0.5) })
  .keyedBy("who")
  .over("1h")
  .compute({ n: agg.count() })
  .asFeatureView("disputed@1", { ttl: "1d" })
  .into(online, offline);
const plan = topology("cards", { predictions, outcomes, scored, judged, disputedAlone });
const noon = Date.UTC(2026, 0, 1, 12);
const hour = 3_600_000;

type Value = Readonly<Record<string, unknown>>;

/** The last row of each instant that a view has given, and what it says. */
function lastRows(rows: readonly Value[]): Map<number, Value> {
  const last = new Map<number, Value>();
  for (const row of rows) {
    const instant = Number(row["as_of"]);
    if (Number(row["seq"]) >= Number(last.get(instant)?.["seq"] ?? 0)) last.set(instant, row);
  }
  return last;
}

const share = (all: readonly Value[], of: (value: Value) => boolean | null) => {
  const known = all.map(of).filter((each) => each !== null);
  return known.length === 0 ? null : known.filter((each) => each).length / known.length;
};

test("features of predictions and of outcomes are what their topics say, at every instant", async () => {
  const random = seededRandom(7);
  const driver = topologyDriver(plan);
  for (let i = 0, time = noon; i < 300; i++, time += random() * 120_000) {
    const late = random() < 0.3 ? random() * 200_000 : 0;
    const amount = random() < 0.1 ? null : Math.round(random() * 100);
    const sent: Payment = { paymentId: `p${i}`, at: Math.floor(time - late), amount };
    driver.input("payments").send(sent);
    if (random() < 0.5) continue;
    const dispute: Dispute = {
      paymentId: `p${i}`,
      at: Math.floor(time + random() * 3 * hour),
      upheld: random() < 0.5,
    };
    driver.input("disputes").send(dispute);
  }
  await driver.advanceTo(noon + 48 * hour);

  const predicted = (await driver.output("predicted").drain()).map(({ value }) => value);
  const features = (value: Value) => value["features"] as { readonly amount: number | null };
  const scoredRows = lastRows(await driver.offline("scored@1"));
  assert.ok(predicted.length > 250 && scoredRows.size > predicted.length);
  for (const [instant, row] of scoredRows) {
    const inside = predicted.filter(
      ({ eventTime, knownAt }) => Number(knownAt) <= instant && Number(eventTime) + hour > instant,
    );
    const amounts = inside.flatMap((each) => features(each).amount ?? []);
    const expected = [
      inside.length,
      amounts.length === 0 ? null : Math.max(...amounts),
      share(inside, (each) => {
        const { amount } = features(each);
        return amount === null ? null : amount > 50;
      }),
      inside.length,
    ];
    const found = [row["n_1h"], row["amount_1h"], row["large_1h"], row["ids_1h"]];
    assert.deepEqual(found, expected, `predictions at ${instant}`);
    if (inside.length > 0) assert.ok(Math.abs(Number(row["chance_1h"]) - 0.1) < 1e-12);
  }

  const disputed = (await driver.output("disputed").drain()).map(({ value }) => value);
  assert.equal(disputed.length, predicted.length);
  for (const [instant, row] of lastRows(await driver.offline("judged@1"))) {
    const inside = disputed.filter(
      ({ knownAt }) => Number(knownAt) <= instant && Number(knownAt) + hour > instant,
    );
    const expected = [
      inside.length,
      share(inside, ({ labelled }) => labelled === true),
      share(inside, ({ label }) => label as boolean | null),
    ];
    const found = [row["n_1h"], row["labelled_1h"], row["fraud_1h"]];
    assert.deepEqual(found, expected, `outcomes at ${instant}`);
  }

  for (const [instant, row] of lastRows(await driver.offline("disputed@1"))) {
    const inside = disputed.filter(
      ({ knownAt, label }) =>
        Number(knownAt) <= instant && Number(knownAt) + hour > instant && label === true,
    );
    assert.equal(row["n_1h"], inside.length, `upheld disputes at ${instant}`);
  }

  const accounts = await driver.accounting();
  for (const [branch, source] of [
    ["scored@1", "predictions"],
    ["judged@1", "outcomes"],
    ["disputed@1", "outcomes"],
  ]) {
    const own = accounts.filter((each) => each.branch === branch);
    assert.deepEqual([...new Set(own.map((each) => each.source))], [source]);
    for (const each of own) assert.equal(each.in, each.processed + each.excluded);
    const counted = branch === "disputed@1" ? disputed.filter(({ label }) => label === true) : null;
    assert.equal(
      own.reduce((sum, each) => sum + each.processed, 0),
      (counted ?? predicted).length,
    );
    assert.equal(
      own.reduce((sum, each) => sum + each.in, 0),
      predicted.length,
    );
  }
  await driver.close();
});

test("a view of predictions needs them named, and serves another scoring", () => {
  assert.throws(
    () => topology("cards", { scored }),
    /is built on the predictions in "predicted", which have no name/,
  );
  const byId = predictions
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("by_id@1", { ttl: "1d" })
    .into(online);
  const second = payments
    .enrichedWith({ before: byId.at("paymentId") }, { missing: "null" })
    .scoredBy("second", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("second"));
  const plan = topology("cards", { predictions, second });
  const view = plan.subtopologies.find(({ name }) => name === "by_id@1");
  assert.deepEqual(
    view?.inputs.map(({ name, from }) => `${name} from ${from}`),
    ["lookups:second from payments", "updates from predictions"],
  );
});
