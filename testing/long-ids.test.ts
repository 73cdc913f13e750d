import assert from "node:assert/strict";
import { test } from "node:test";
import { avro, json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

const noon = Date.UTC(2026, 0, 1, 12);
/** Next to each other: they are one double. */
const ids = [9_007_199_254_740_992n, 9_007_199_254_740_993n];

interface Payment {
  readonly paymentId: number | bigint;
  readonly at: number;
}
interface Dispute extends Payment {
  readonly upheld: boolean;
}

const at = { name: "at", type: { type: "long", logicalType: "timestamp-millis" } } as const;
const id = { name: "paymentId", type: "long" } as const;
const upheld = { name: "upheld", type: "boolean" } as const;
const payment = recordSchema<Payment>({ type: "record", name: "Payment", fields: [id, at] });
const dispute = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  fields: [id, at, upheld],
});
const fields = { paymentId: types.integer(), at: types.timestamp("ms") };

for (const format of ["avro", "json"] as const) {
  test(`a long beyond 2^53 is itself in keys, ids, tables and features: ${format}`, async () => {
    const source =
      format === "avro" ? from("payments", avro(payment)) : from("payments", json(fields));
    const payments = source.timedBy("at", { lateness: "1m" }).partitionedBy("paymentId");
    const disputes = from("disputes", avro(dispute))
      .timedBy("at", { lateness: "1m" })
      .partitionedBy("paymentId");
    const seen = payments
      .keyedBy("paymentId")
      .over("1h")
      .compute({ n: agg.count(), distinct: agg.distinct("paymentId") })
      .asFeatureView("seen@1", { ttl: "1d" })
      .into(online, offline);
    const predictions = payments
      .enrichedWith({ seen: seen.at("paymentId") }, { missing: "null" })
      .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
      .into(topic("predicted"), offline);
    const outcomes = predictions
      .labelledBy(disputes, { on: "paymentId", within: "1d", label: eq("upheld", true) })
      .into(topic("disputed"), offline);
    const driver = topologyDriver(topology("longs", { predictions, outcomes, seen }));
    for (const paymentId of ids) {
      driver.input("payments").send({ paymentId, at: noon });
      driver.input("disputes").send({ paymentId, at: noon + 60_000, upheld: paymentId === ids[1] });
    }
    await driver.advanceTo(noon + 120_000);
    for (const each of ids) {
      const { features } = await driver.online("seen@1", String(each), noon + 1);
      assert.deepEqual(features, { n_1h: 1, distinct_1h: 1 });
    }
    await driver.advanceTo(noon + 7_200_000);

    assert.deepEqual(await driver.output("longs.dead-letters").drain(), []);
    const exact = (each: unknown) => BigInt(each as number | bigint);
    const byId = (a: readonly unknown[], b: readonly unknown[]) => (`${a[0]}` < `${b[0]}` ? -1 : 1);
    const predicted = await driver.output("predicted").drain();
    assert.deepEqual(
      predicted.map(({ key, value }) => [key, exact(value["paymentId"])]).sort(byId),
      ids.map((each) => [String(each), each]),
    );
    const joined = await driver.output("disputed").drain();
    assert.deepEqual(
      joined.map(({ key, value }) => [key, exact(value["paymentId"]), value["label"]]).sort(byId),
      ids.map((each) => [String(each), each, each === ids[1]]),
    );
    for (const table of ["predictions", "outcomes"]) {
      const rows = await driver.offline(table);
      assert.deepEqual(
        rows.map((row) => exact(row["payment_id"])).sort((a, b) => (a < b ? -1 : 1)),
        ids,
        table,
      );
    }
    await driver.close();
  });
}
