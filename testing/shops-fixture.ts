import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import type { Duration } from "../schemas/duration.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { gt } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";

const begin = Date.UTC(2026, 0, 1);

export interface Order {
  readonly orderId: string;
  readonly at: number;
  readonly shop: string;
  readonly amount: number;
}

export const order = recordSchema<Order>({
  type: "record",
  name: "Order",
  fields: [
    { name: "orderId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "shop", type: "string" },
    { name: "amount", type: "double" },
  ],
});

/** Orders of three shops, one a minute. */
export const orders: readonly Order[] = Array.from({ length: 400 }, (_, n) => ({
  orderId: `o${n}`,
  at: begin + n * 60_000,
  shop: `s${n % 3}`,
  amount: n % 20,
}));

export interface ShopOptions {
  /** @default one of an hour */
  readonly windows?: readonly [Duration, ...Duration[]];
  /** Whether the view counts the orders, too. @default false */
  readonly counted?: boolean;
  readonly ttl?: Duration;
  readonly lateness?: Duration;
  /** Windows of a second version of the view. @default there is none */
  readonly second?: readonly [Duration, ...Duration[]];
  /** Whether a view counts what comes back, a source of its own. @default false */
  readonly returns?: boolean;
}

/**
 * A topology whose view, steps, columns and keys have the same names whatever its own is; what it
 * counts as large is its own.
 */
export function shopTopology(
  name: string,
  large: number,
  {
    windows = ["1h"],
    counted = false,
    ttl = "2d",
    lateness = "1m",
    second,
    returns = false,
  }: ShopOptions = {},
): Plan {
  const source = from("orders", order).timedBy("at", { lateness }).partitionedBy("orderId");
  const shop = source
    .keyedBy("shop")
    .over(...windows)
    .compute({
      ...(counted && { orders: agg.count() }),
      large: agg.share(gt("amount", large)),
    })
    .asFeatureView("shop@1", { ttl })
    .into(online, offline);
  const scores = source
    .enrichedWith({ shop: shop.at("shop") }, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(large / 100) })
    .into(topic(`${name}.scores`), offline);
  if (returns) {
    const returned = from("returns", order)
      .timedBy("at", { lateness })
      .partitionedBy("orderId")
      .keyedBy("shop")
      .over(...windows)
      .compute({ orders: agg.count() })
      .asFeatureView("returned@1", { ttl })
      .into(offline);
    return topology(name, { shop, scores, returned }, { partitions: 2 });
  }
  if (second === undefined) return topology(name, { shop, scores }, { partitions: 2 });
  const next = source
    .keyedBy("shop")
    .over(...second)
    .compute({ large: agg.share(gt("amount", large)), orders: agg.count() })
    .asFeatureView("shop@2", { ttl })
    .into(online, offline);
  return topology(name, { shop, scores, next }, { partitions: 2 });
}

/**
 * Makes the source topics of a plan that are missing, and fills one: the orders, and a record that
 * is none.
 *
 * @param misplaced - so many of the orders come a second time, under a key that is not theirs.
 * @param laterMs - the orders are others, so much later.
 */
export async function sendOrders(
  plan: Plan,
  { broker, registry }: Stack,
  topic = "orders",
  misplaced = 0,
  laterMs = 0,
): Promise<void> {
  const sources = plan.topics.filter(({ role }) => role === "source");
  const standing = new Set((await broker.describeTopics()).map(({ name }) => name));
  await broker.createTopics(sources.filter(({ name }) => !standing.has(name)));
  const [{ partitions } = plan] = await broker.describeTopics([topic]);
  const producer = await broker.producer({ transactionalId: null });
  const encoder = new AvroEncoder(order, await registry.register(`${topic}-value`, order));
  const send = async (key: string, value: Buffer): Promise<void> => {
    const builder = new RecordBatchBuilder();
    builder.append(Buffer.from(key), value, begin);
    const partition = partitionOf(key, partitions);
    await producer.send([{ topic, partition, batch: builder.build() }]);
  };
  for (const [index, { orderId, at, ...rest }] of orders.entries()) {
    const each = {
      orderId: laterMs === 0 ? orderId : `${orderId} later`,
      at: at + laterMs,
      ...rest,
    };
    const value = new ByteWriter();
    encoder.encode(each as unknown as Record<string, unknown>, value);
    const bytes = value.take();
    await send(each.orderId, bytes);
    if (index < misplaced) await send(`not ${each.orderId}`, bytes);
  }
  await send("broken", Buffer.from("no Avro"));
  await producer.close();
}

/** A producer that sends single orders, each to the partition that it is told. */
export async function openOrderSender({ broker, registry }: Stack) {
  const producer = await broker.producer({ transactionalId: null });
  const encoder = new AvroEncoder(order, await registry.register("orders-value", order));
  return {
    async send(sent: Order, partition: number): Promise<void> {
      const value = new ByteWriter();
      encoder.encode(sent as unknown as Record<string, unknown>, value);
      const batch = new RecordBatchBuilder();
      batch.append(Buffer.from(sent.orderId), value.take(), sent.at);
      await producer.send([{ topic: "orders", partition, batch: batch.build() }]);
    },
    close: () => producer.close(),
  };
}
