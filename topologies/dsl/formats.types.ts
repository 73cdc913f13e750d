// Rules of formats and times that the compiler enforces. Never run, as dsl.types.ts.

import { json, protobuf } from "../../schemas/formats/kinds.ts";
import type { ProtobufSchema } from "../../schemas/formats/protobuf/protobuf-format.ts";
import { types } from "../../schemas/formats/types.ts";
import { arrival } from "../flights/generated.ts";
import { agg } from "./aggregates.ts";
import { custom, gt } from "./conditions.ts";
import { online } from "./roles.ts";
import { from, recordTime } from "./stream.ts";

interface Order {
  readonly id: string;
  readonly at: number;
  readonly customer: { readonly address: { readonly country: string | null } | null };
}

const arrivals = from("flights.arrivals", arrival)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");

// A whole number of 64 bits is a number or a bigint, and everything that a number is.
const counted = from("counted", json({ id: types.integer(), at: types.timestamp("ms") }));
const numbered = counted.timedBy("at", { lateness: "5s" }).partitionedBy("id");
const sums = numbered
  .keyedBy("id")
  .over("1h")
  .compute({ sum: agg.sum("id"), large: agg.share(gt("id", 5)) })
  .asFeatureView("sums@1", { ttl: "2h" })
  .into(online);
numbered.enrichedWith({ sums: sums.at("id") }, { missing: "null", request: { id: "id" } });
arrivals.enrichedWith({ sums: sums.at("flightId") }, { missing: "null" });
counted.timedBy("id", { lateness: "5s", unit: "s" }).repartitionedBy("id");
counted.timedBy(recordTime(), { lateness: "5s" }).repartitionedBy("id").keyedBy("recordTime");
numbered.where(custom({ name: "odd", version: 1, test: (r: { id: number | bigint }) => r.id > 2 }));
// @ts-expect-error beyond the exact doubles a whole number is no number to count with
numbered.where(custom({ name: "odd", version: 1, test: (r: { id: number }) => r.id % 2 === 1 }));
// @ts-expect-error there is no such unit
counted.timedBy("id", { lateness: "5s", unit: "minutes" });

// A required field of a message is never null.
declare const order: ProtobufSchema<Order>;
const asked = from(
  "o",
  protobuf<Order, "customer.address.country">(order, { required: ["customer.address.country"] }),
);
asked.timedBy("at", { lateness: "5s" }).repartitionedBy("customer.address.country");
const loose = from("o", protobuf(order)).timedBy("at", { lateness: "5s" });
// @ts-expect-error a message may be missing, and its fields with it
loose.repartitionedBy("customer.address.country");
// @ts-expect-error there is no such field to ask for
protobuf<Order, "customer.city">(order, { required: ["customer.city"] });
