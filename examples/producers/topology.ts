import {
  agg,
  avro,
  from,
  json,
  offline,
  online,
  protobuf,
  recordSchema,
  recordTime,
  topology,
  types,
} from "millrace";
import { type Order, order } from "./generated.ts";

const lateness = { lateness: "1h" } as const;
const features = { orders: agg.count(), spent: agg.sum("amount") } as const;

/** What kcat sends: JSON without a time, which Kafka's timestamp stands for. */
const kcat = from("orders.kcat", json({ customer: types.text(), amount: types.decimal() }))
  .timedBy(recordTime(), lateness)
  .repartitionedBy("customer");

/** What kafkajs sends: JSON with a time in ISO 8601. */
const kafkajs = from(
  "orders.kafkajs",
  json({ customer: types.text(), amount: types.number(), placedAt: types.timestamp("iso") }),
)
  .timedBy("placedAt", lateness)
  .repartitionedBy("customer");

/** What Python sends with confluent-kafka: Protobuf, its schema registered. */
const python = from(
  "orders.protobuf",
  protobuf<Order, "placed_at">(order, { required: ["placed_at"] }),
)
  .timedBy("placed_at", lateness)
  .repartitionedBy("customer");

interface AvroOrder {
  readonly orderId: number | bigint;
  readonly customer: string;
  readonly placedAt: number;
  readonly amount: number;
}

const avroOrder = recordSchema<AvroOrder>({
  type: "record",
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "orderId", type: "long" },
    { name: "customer", type: "string" },
    { name: "placedAt", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "amount", type: "double" },
  ],
});

/** And Avro. */
const pythonAvro = from("orders.avro", avro(avroOrder))
  .timedBy("placedAt", lateness)
  .repartitionedBy("customer");

const store = [online, offline] as const;
const ttl = { ttl: "48h" } as const;

export const orders = topology("orders", {
  kcat: kcat
    .keyedBy("customer")
    .over("24h")
    .compute(features)
    .asFeatureView("kcat@1", ttl)
    .into(...store),
  kafkajs: kafkajs
    .keyedBy("customer")
    .over("24h")
    .compute(features)
    .asFeatureView("kafkajs@1", ttl)
    .into(...store),
  protobuf: python
    .keyedBy("customer")
    .over("24h")
    .compute(features)
    .asFeatureView("protobuf@1", ttl)
    .into(...store),
  avro: pythonAvro
    .keyedBy("customer")
    .over("24h")
    .compute(features)
    .asFeatureView("avro@1", ttl)
    .into(...store),
});
