// What the compiler knows of the topology driver. Never run: each line below an expectation must
// fail to compile, every other must compile.

import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import type { RecordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly id: string;
  readonly at: number;
  readonly customer: { readonly country: string };
  readonly amount: number | null;
}
declare const payment: RecordSchema<Payment>;
const format = json({ id: types.text(), at: types.timestamp("ms"), upheld: types.boolean() });

const payments = from("payments", payment).timedBy("at", { lateness: "5s" }).partitionedBy("id");
const cards = payments
  .keyedBy("customer.country")
  .over("1h")
  .compute({ n: agg.count(), last: agg.last("id") })
  .asFeatureView("cards@1", { ttl: "2h" })
  .into(online, offline);
const scores = payments
  .enrichedWith({ card: cards.at("customer.country") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.2) })
  .into(topic("scores"));
const driver = topologyDriver(topology("typed", { scores }));

const input = driver.input("payments", payment);
declare const record: Payment;
input.send(record);
input.send({ id: "a", at: 1, customer: { country: "DE" }, amount: null }, { key: "a" });
input.send(Buffer.of(1));
driver.input("payments").send(record);
driver.input("disputes", format).send({ id: "a", at: 1, upheld: true });
// @ts-expect-error a field is missing
input.send({ id: "a", at: 1, customer: { country: "DE" } });
// @ts-expect-error a text is no number
input.send({ ...record, amount: "1" });
// @ts-expect-error a record within the record has its own fields
input.send({ ...record, customer: { land: "DE" } });
// @ts-expect-error there is no such field
input.send({ id: "a", at: 1, customer: { country: "DE" }, amount: null, amonut: 1 });
// @ts-expect-error a truth is no text
driver.input("disputes", format).send({ id: "a", at: 1, upheld: "yes" });

const [made] = await driver.output(scores).drain();
const known: number | null | undefined = made?.value.features.card_n_1h;
const probability: number | undefined = made?.value.probability;
// @ts-expect-error there is no such feature
made?.value.features.card_n_2h;
// @ts-expect-error a prediction says nothing of that
made?.value.likelihood;
// @ts-expect-error a view writes no topic to drain
driver.output(cards);

const { features } = await driver.online(cards, "DE");
export const all = [features.n_1h, features.last_1h, known, probability];
// @ts-expect-error there is no such column
features.n_2h;
// @ts-expect-error predictions are no view
void driver.online(scores, "DE");
const named = await driver.online("cards@1", "DE");
named.features["n_1h"];
