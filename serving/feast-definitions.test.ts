import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { feastRepository } from "./feast-definitions.ts";

const payment = recordSchema<{
  paymentId: string;
  paidAt: number;
  card: string;
  terminal: string;
  cents: number | bigint;
}>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "paidAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "terminal", type: "string" },
    { name: "cents", type: "long" },
  ],
});
const payments = from("payments", payment)
  .timedBy("paidAt", { lateness: "1m" })
  .partitionedBy("paymentId");
const cards = payments
  .keyedBy("card")
  .over("1h")
  .compute({
    payments: agg.count(),
    lastCents: agg.last("cents"),
    mean: agg.mean("cents"),
    terminal: agg.last("terminal"),
  })
  .asFeatureView("cards@1", { ttl: "1d" })
  .into(online);
const pairs = payments
  .keyedBy("card", "terminal")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("pairs@1", { ttl: "1d" })
  .into(online);
const plan = topology("shop", { cards, pairs });

test("a feature repository of Feast declares each view that is online, and asks the gateway", () => {
  const files = feastRepository([plan], "https://gateway:8080");
  assert.match(files["feature_store.yaml"], /^project: shop$/m);
  assert.match(files["feature_store.yaml"], /type: remote\n {2}path: https:\/\/gateway:8080$/m);
  const [, found = ""] = /^(cards = FeatureView[\s\S]*?^\))/m.exec(files["definitions.py"]) ?? [];
  assert.equal(
    found,
    `cards = FeatureView(
    name="cards",
    entities=[entity_card],
    ttl=timedelta(milliseconds=86400000),
    schema=[
        Field(name="card", dtype=String),
        Field(name="payments_1h", dtype=Int64),
        Field(name="last_cents_1h", dtype=Int64),
        Field(name="mean_1h", dtype=Float64),
        Field(name="terminal_1h", dtype=String),
    ],
    source=nowhere,
    tags={"topology": "shop", "version": "1"},
)`,
  );
  assert.match(files["definitions.py"], /entities=\[entity_card, entity_terminal\]/);
});

test("a view whose name several topologies have is left out, and said to be", () => {
  const other = { ...plan, name: "other" };
  const { "definitions.py": text } = feastRepository([plan, other], "http://gateway:8080");
  assert.doesNotMatch(text, /FeatureView\(/);
  assert.match(text, /^# cards: several topologies have it/m);
});
