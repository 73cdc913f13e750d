import { type RecordSchema, recordSchema } from "../../schemas/record-schema.ts";
import { topologyDriver } from "../../testing/topology-driver.ts";
import type { Aggregate } from "../../topologies/dsl/aggregates.ts";
import { offline, online, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

export interface Payment {
  readonly id: string;
  readonly at: number;
  readonly card: string;
  readonly amount: number | null;
}

const payment: RecordSchema<Payment> = recordSchema({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "card", type: "string" },
    { name: "amount", type: ["null", "double"] },
  ],
});

/** What one aggregate gave over payments of one card, in a window of a minute. */
export interface Given {
  /** By payment, in order: what a prediction for it was made with. */
  readonly predicted: readonly unknown[];
  /** What a reader of the online store sees at the end. */
  readonly online: unknown;
  /** What the rows of the offline store hold, in order. */
  readonly rows: readonly unknown[];
}

/**
 * Runs payments of one card through a production topology in memory.
 *
 * @param payments - seconds and amount of each, in order.
 * @param end - seconds.
 * @param exactLimit - more payments in the window are served from tiles.
 */
export async function givenOver(
  aggregate: Aggregate<Payment>,
  payments: readonly (readonly [number, number | null])[],
  end: number,
  exactLimit = 4_096,
): Promise<Given> {
  const source = from("payments", payment).timedBy("at", { lateness: "1m" }).partitionedBy("id");
  const view = source
    .keyedBy("card")
    .over("1m")
    .compute({ value: aggregate })
    .asFeatureView("cards@1", { ttl: "1h", exactLimit })
    .into(online, offline);
  const scores = source
    .enrichedWith({ card: view.at("card") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("scores"));
  const driver = topologyDriver(topology("cards", { scores }, { partitions: 1 }));
  try {
    for (const [id, [seconds, amount]] of payments.entries()) {
      driver.input("payments").send({ id: `${id}`, at: seconds * 1_000, card: "c", amount });
    }
    await driver.advanceTo(end * 1_000);
    const predictions = await driver.output("scores").drain();
    const predicted = [...payments.keys()].map((id) => {
      const found = predictions.find(({ key }) => key === `${id}`);
      const features = (found?.value["features"] ?? {}) as Record<string, unknown>;
      return features["card_value_1m"];
    });
    const { features } = await driver.online("cards@1", "c", end * 1_000);
    const rows = (await driver.offline("cards@1")).map((row) => row["value_1m"]);
    return { predicted, online: features["value_1m"], rows };
  } finally {
    await driver.close();
  }
}
