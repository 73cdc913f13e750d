import assert from "node:assert/strict";
import { test } from "node:test";
import { decoder, protobuf } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq, gt } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly id: number | bigint;
  readonly other: number | bigint;
  readonly at: number | bigint;
}

const noon = Date.UTC(2026, 0, 1, 12);
const [edge, beyond, most] = [2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
const schema = {
  message: "Payment",
  proto: `syntax = "proto3";
message Payment { uint64 id = 1; fixed64 other = 2; int64 at = 3; }`,
};
const fields = { id: types.integer(), other: types.integer(), at: types.integer() };
const bytesOf = ({ id, other, at }: Payment) =>
  new Uint8Array(BigUint64Array.of(BigInt(id), BigInt(other), BigInt(at)).buffer);
const formats = {
  protobuf: protobuf<Payment>(schema),
  decoder: decoder({
    ...{ name: "payments", version: 1, fields },
    decode: (bytes) => {
      const [id = 0n, other = 0n, at = 0n] = new BigUint64Array(Uint8Array.from(bytes).buffer);
      return { id, other, at: Number(at) };
    },
    encode: bytesOf,
  }),
};

for (const [name, format] of Object.entries(formats)) {
  const payments = from("payments", format)
    .timedBy("at", { lateness: "1m", unit: "ms" })
    .repartitionedBy("id");

  test(`whole numbers without a sign are exact in keys, tables and online rows: ${name}`, async () => {
    const seen = payments
      .where(gt("other", edge))
      .keyedBy("id")
      .over("1h")
      .compute({ last: agg.last("other"), first: agg.first("id"), n: agg.distinct("other") })
      .asFeatureView("seen@1", { ttl: "1d" })
      .into(online, offline);
    const driver = topologyDriver(topology("unsigned", { seen }));
    for (const id of [edge, beyond, most]) {
      driver.input("payments").send({ id, other: most - 1n, at: noon });
    }
    driver.input("payments").send({ id: 1, other: edge, at: noon });
    await driver.advanceTo(noon + 1_000);
    assert.deepEqual(await driver.output("unsigned.dead-letters").drain(), []);
    for (const id of [edge, beyond, most]) {
      const { features } = await driver.online("seen@1", String(id), noon + 1);
      assert.deepEqual(features, { last_1h: most - 1n, first_1h: id, n_1h: 1 });
    }
    assert.equal((await driver.online("seen@1", "1", noon + 1)).freshness, "MISSING");
    const rows = await driver.offline("seen@1");
    assert.deepEqual(
      rows.map(({ id, last_1h, first_1h }) => [id, first_1h, last_1h]).sort(),
      [most, edge, beyond].map((id) => [String(id), id, most - 1n]),
    );
    await driver.close();
  });

  test(`the id of a prediction that no long holds is a dead letter, and no other id: ${name}`, async () => {
    const once = payments.identifiedBy("id").dedupedBy("id", { within: "1m" });
    const scored = (stream: typeof once, to: string) =>
      stream
        .enrichedWith({}, { missing: "null", request: { other: "other" } })
        .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
        .into(topic(to), offline);
    const predictions = scored(payments.identifiedBy("id"), "predicted");
    const outcomes = predictions
      .labelledBy(payments, { on: "id", within: "10m", label: eq("other", 1) })
      .into(topic("told"), offline);
    const driver = topologyDriver(topology("unsigned", { predictions, outcomes }));
    const behind = topologyDriver(topology("behind", { scores: scored(once, "scores") }));
    for (const one of [driver, behind]) {
      for (const id of [edge, beyond, most]) {
        one.input("payments").send({ id, other: 1, at: noon });
      }
      await one.advanceTo(noon + 3_600_000);
    }
    for (const [one, plan, step, to] of [
      [driver, "unsigned", "payments", "predicted"],
      [driver, "unsigned", null, "told"],
      [behind, "behind", "payments-by-id", "scores"],
    ] as const) {
      const letters = await one.output(`${plan}.dead-letters`).drain();
      const told = letters.map(({ value }) => [value["code"], value["step"]]);
      const refused = ["ID_BEYOND_LONG", step];
      assert.deepEqual(told, step === null ? [] : [refused, refused]);
      const found = await one.output(to).drain();
      assert.deepEqual(
        found.map(({ key, value }) => [key, value["id"]]),
        [[String(edge), edge]],
      );
    }
    const [row, ...others] = await driver.offline("predictions");
    assert.deepEqual([row?.["id"], others], [edge, []]);
    for (const each of await driver.accounting()) {
      assert.equal(each.in, each.processed + each.deadLettered + each.filtered, each.branch);
    }
    await driver.close();
    await behind.close();
  });
}
