import assert from "node:assert/strict";
import { test } from "node:test";
import type { Duration } from "../schemas/duration.ts";
import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

const noon = Date.UTC(2001, 0, 1, 12);

const fields = { card: types.text(), paidAt: types.timestamp("iso") };

const planOf = (more: { readonly maxJump?: Duration }) => {
  const byCard = from("payments", json(fields))
    .timedBy("paidAt", { lateness: "30s", ...more })
    .partitionedBy("card")
    .keyedBy("card")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("card@1", { ttl: "2h" })
    .into(online);
  return topology("spendings", { byCard }, { partitions: 1 });
};

/** What programs write where they have no date. */
const sentinels = [
  ["9999-12-31T23:59:59Z", "EVENT_TIME_AHEAD"],
  ["9999-12-31T23:59:59.999999999Z", "EVENT_TIME_AHEAD"],
  ["2200-01-01T00:00:00Z", "EVENT_TIME_AHEAD"],
  ["1970-01-01T00:00:00Z", "EVENT_TIME_MISSING"],
  ["1900-01-01T00:00:00Z", "EVENT_TIME_MISSING"],
  ["1899-12-30T00:00:00Z", "EVENT_TIME_MISSING"],
  ["0001-01-01T00:00:00Z", "EVENT_TIME_MISSING"],
] as const;

test("a date that stands for none is a dead letter, first of its partition or later", async () => {
  for (const [paidAt, code] of sentinels) {
    for (const [place, plan] of [
      ["first", planOf({})],
      ["later", planOf({})],
      ["last", planOf({})],
      ["later", planOf({ maxJump: "10000d" })],
    ] as const) {
      const driver = topologyDriver(plan);
      const input = driver.input("payments");
      const sentinel = () =>
        input.send(Buffer.from(JSON.stringify({ card: "c", paidAt })), { key: "c" });
      if (place === "first") sentinel();
      input.send({ card: "c", paidAt: noon });
      if (place === "later") sentinel();
      input.send({ card: "c", paidAt: noon + 1_000 });
      if (place === "last") sentinel();
      await driver.advanceTo(noon + 60_000);
      const where = `${paidAt} ${place}`;
      const dead = await driver.output("spendings.dead-letters").drain();
      assert.deepEqual(
        dead.map(({ value }) => value["code"]),
        [code],
        where,
      );
      assert.deepEqual(await driver.output("spendings.late").drain(), [], where);
      const { features } = await driver.online("card@1", "c", noon + 2_000);
      assert.deepEqual(features, { n_1h: 2 }, where);
      await driver.close();
    }
  }
});

test("after a pause beyond the max jump of a source all is refused, and the reason says what to do", async () => {
  const hour = 3_600_000;
  const sent = [noon, noon + 49 * hour, noon + 50 * hour];
  const run = async (more: { readonly maxJump?: Duration }) => {
    const driver = topologyDriver(planOf(more));
    for (const paidAt of sent) driver.input("payments").send({ card: "c", paidAt });
    await driver.advanceTo(noon + 51 * hour);
    const dead = await driver.output("spendings.dead-letters").drain();
    await driver.close();
    return dead.map(({ value }) => `${value["code"]}: ${value["reason"]}`);
  };
  const reason = (time: string, limit: string) =>
    `EVENT_TIME_AHEAD: the event time ${time}:00:00.000Z lies too far ahead, and would make what ` +
    `follows late: more than ${limit} beyond 2001-01-01T12:00:00.000Z, to where its partition had ` +
    "come; where the source may rest so long, give its timedBy() a longer maxJump";
  assert.deepEqual(await run({}), [reason("2001-01-03T13", "2d"), reason("2001-01-03T14", "2d")]);
  assert.deepEqual(await run({ maxJump: "49h" }), []);
  assert.equal((await run({ maxJump: "1d" }))[1], reason("2001-01-03T14", "1d"));
});
