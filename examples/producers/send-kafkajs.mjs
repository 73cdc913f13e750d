// Sends orders as JSON with kafkajs: node send-kafkajs.mjs [BROKERS]; the last one is none.
import { CompressionTypes, Kafka, logLevel } from "kafkajs";

const [brokers = "127.0.0.1:9092"] = process.argv.slice(2);
const kafka = new Kafka({ brokers: brokers.split(","), logLevel: logLevel.ERROR });
const producer = kafka.producer({ idempotent: true });
const placedAt = new Date().toISOString();
const orders = [
  { customer: "ann", amount: 12.5, placedAt },
  { customer: "ann", amount: 7.5, placedAt },
  { customer: "bob", amount: 1, placedAt },
  { customer: "bob", amount: 1, placedAt: "yesterday" },
];
await producer.connect();
await producer.send({
  topic: "orders.kafkajs",
  compression: CompressionTypes.GZIP,
  messages: orders.map((order) => ({ key: order.customer, value: JSON.stringify(order) })),
});
await producer.disconnect();
