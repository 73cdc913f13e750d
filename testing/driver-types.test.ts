import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const format = json({ id: types.text(), at: types.timestamp("ms"), card: types.text() });
const payments = from("payments", format).timedBy("at", { lateness: "5s" }).partitionedBy("id");
const cards = payments
  .keyedBy("card")
  .over("1h")
  .compute({ n: agg.count() })
  .asFeatureView("cards@1", { ttl: "2h" })
  .into(online, offline);
const scores = payments
  .enrichedWith({ card: cards.at("card") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
  .into(topic("scores"), offline);

test("the driver takes sources by their formats, and steps and views by themselves", async () => {
  const driver = topologyDriver(topology("typed", { scores, cards }));
  const input = driver.input("payments", format);
  input.send({ id: "a", at: noon, card: "c" });
  input.send({ id: "b", at: noon + 1_000, card: "c" });
  await driver.advanceTo(noon + 60_000);
  const made = await driver.output(scores).drain();
  const seen = made.map(({ key, value }) => [key, value.features.card_n_1h, value.probability]);
  assert.deepEqual(seen.sort(), [
    ["a", 0, 0.2],
    ["b", 1, 0.2],
  ]);
  const byView = await driver.online(cards, "c");
  assert.equal(byView.features.n_1h, 2);
  assert.deepEqual(byView, await driver.online("cards@1", "c"));
  assert.notEqual(await driver.store(cards).get("c"), null);
  assert.equal((await driver.offline(cards)).length, 2);
  await driver.close();
});

test("a source of another format, and steps of another topology, are named", () => {
  const driver = topologyDriver(topology("typed", { scores, cards }));
  const other = json({ id: types.text(), at: types.timestamp("s"), card: types.text() });
  assert.throws(() => driver.input("payments", other), /^RangeError: payments is written as json/);
  const elsewhere = payments
    .enrichedWith({ card: cards.at("card") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
    .into(topic("scored"), offline);
  assert.throws(() => driver.output(elsewhere), { code: "UNKNOWN_TOPIC" });
});
