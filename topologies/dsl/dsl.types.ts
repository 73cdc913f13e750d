// Rules of the DSL that the compiler enforces. Never run: each line below an expectation must fail
// to compile, every other must compile.

import { avro } from "../../schemas/formats/kinds.ts";
import type { RecordSchema } from "../../schemas/record-schema.ts";
import { arrival, departure } from "../flights/generated.ts";
import { agg } from "./aggregates.ts";
import { and, custom, eq, field, gt, gte, neq, not, or } from "./conditions.ts";
import { calendar } from "./enrichment.ts";
import type { Flat, SnakeCase } from "./field-types.ts";
import { offline, online, topic } from "./roles.ts";
import { type FeatureOf, prior } from "./scoring.ts";
import { lower, upper } from "./select.ts";
import { from } from "./stream.ts";
import { topology } from "./topology.ts";
import { logisticRegression } from "./training.ts";
import { any, drifted, every, labels, noModel } from "./triggers.ts";
import { drift } from "./watch.ts";

interface Payment {
  readonly id: string;
  readonly at: number;
  readonly card: string;
  readonly amount: number | null;
  readonly country: string | null;
  readonly disputed: boolean;
}
declare const payment: RecordSchema<Payment>;

interface Order {
  readonly id: string;
  readonly at: number;
  readonly customer: {
    readonly name: string;
    readonly address: { readonly country: string | null } | null;
  };
  readonly tags: readonly string[];
}
declare const order: RecordSchema<Order>;

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

// Sources: a time, a lateness and a partition field are required, and must exist.
const arrivals = from("flights.arrivals", arrival)
  .timedBy("arrivedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const departures = from("flights.departures", departure)
  .timedBy("departedAt", { lateness: "10m" })
  .partitionedBy("flightId");
const payments = from("payments", payment).timedBy("at", { lateness: "5s" }).partitionedBy("id");
from("payments", payment).timedBy("at", { lateness: "5s" }).repartitionedBy("id").keyedBy("card");
from("payments", avro(payment)).timedBy("at", { lateness: "5s" }).partitionedBy("id");
// @ts-expect-error the fields of a format are those of its schema
from("payments", avro(payment)).timedBy("on", { lateness: "5s" });
// @ts-expect-error a null sends no record to a task
from("payments", payment).timedBy("at", { lateness: "5s" }).repartitionedBy("country");
// @ts-expect-error a source without a time has no keys
from("flights.arrivals", arrival).keyedBy("origin");
// @ts-expect-error a source without a time has no partitions
from("flights.arrivals", arrival).partitionedBy("flightId");
// @ts-expect-error a timed source without a partition field has no keys
from("flights.arrivals", arrival).timedBy("arrivedAt", { lateness: "10m" }).keyedBy("origin");
// @ts-expect-error an unknown field is no time
from("flights.arrivals", arrival).timedBy("arrivedOn", { lateness: "10m" });
// @ts-expect-error text is no time
from("flights.arrivals", arrival).timedBy("origin", { lateness: "10m" });
// @ts-expect-error lateness is required
from("flights.arrivals", arrival).timedBy("arrivedAt");
// @ts-expect-error lateness is required
from("flights.arrivals", arrival).timedBy("arrivedAt", {});
// @ts-expect-error an unknown field names no partition
from("flights.arrivals", arrival).timedBy("arrivedAt", { lateness: "10m" }).partitionedBy("id");
// @ts-expect-error a null names no partition
from("payments", payment).timedBy("at", { lateness: "5s" }).partitionedBy("country");

// Fields of records within records go by their paths.
const orders = from("orders", order).timedBy("at", { lateness: "5s" }).partitionedBy("id");
orders.keyedBy("customer.name");
// @ts-expect-error the address may be null, and with it the country
orders.keyedBy("customer.address.country");
// @ts-expect-error a record within the record is no field itself
orders.keyedBy("customer");
same<
  Flat<Order>,
  {
    readonly id: string;
    readonly at: number;
    readonly "customer.name": string;
    readonly "customer.address.country": string | null;
    readonly tags: readonly string[];
  }
>(true);
same<Flat<Payment>, Payment>(true);

// Durations: a whole number and a unit.
// @ts-expect-error a unit is one of ms, s, m, h, d
from("flights.arrivals", arrival).timedBy("arrivedAt", { lateness: "1 second" });
// @ts-expect-error a fraction is no whole number
from("flights.arrivals", arrival).timedBy("arrivedAt", { lateness: "1.5h" });
// @ts-expect-error a bare number has no unit
from("flights.arrivals", arrival).timedBy("arrivedAt", { lateness: "10" });
// @ts-expect-error a window is a duration
arrivals.keyedBy("origin").over("15 minutes");

// Each stage has its own verbs.
const byOrigin = arrivals.keyedBy("origin");
const hourly = byOrigin.over("1h");
// @ts-expect-error an unknown field is no key
arrivals.keyedBy("airport");
// @ts-expect-error at least one field makes a key
arrivals.keyedBy();
// @ts-expect-error a null is no key
payments.keyedBy("country");
// @ts-expect-error keyed records have no aggregates without windows
byOrigin.compute({ flights: agg.count() });
// @ts-expect-error at least one window
byOrigin.over();
// @ts-expect-error windows are not keyed again
hourly.keyedBy("origin");
// @ts-expect-error a stream without keys has no windows
arrivals.over("1h");

// Aggregates read numeric fields of the record.
hourly.compute({ mean: agg.mean("delayMinutes"), late: agg.share(gt("delayMinutes", 15)) });
payments
  .keyedBy("card")
  .over("1h")
  .compute({ sum: agg.sum("amount"), sd: agg.stddev("amount") });
hourly.compute({ origins: agg.distinct("origin"), delays: agg.distinct("delayMinutes") });
// @ts-expect-error there is no such field to tell apart
hourly.compute({ shops: agg.distinct("shop") });
// @ts-expect-error text is not numeric
hourly.compute({ mean: agg.mean("origin") });
// @ts-expect-error there is no such field
hourly.compute({ mean: agg.mean("delayMinuts") });
// @ts-expect-error a quantile has a probability
agg.quantile("delayMinutes");
// @ts-expect-error a number is not compared with text
hourly.compute({ late: agg.share(gt("delayMinutes", "15")) });
// @ts-expect-error there is no such field to compare
hourly.compute({ late: agg.share(gt("delay", 15)) });
// @ts-expect-error one of the tests reads an unknown field
hourly.compute({ late: agg.share(and(gt("delayMinutes", 15), eq("carrier", "AA"))) });
// Each counts only the records that it is told to.
const declined = { where: eq("country", "NZ") };
payments
  .keyedBy("card")
  .over("1h")
  .compute({
    abroad: agg.count(declined),
    sumAbroad: agg.sum("amount", declined),
    p90: agg.quantile("amount", 0.9, { where: gt("amount", 9) }),
    largeAbroad: agg.share(gt("amount", 500), declined),
  });
// @ts-expect-error arrivals have no such field to be counted by
hourly.compute({ abroad: agg.count(declined) });
// @ts-expect-error arrivals have no such field to be summed by
hourly.compute({ delay: agg.sum("delayMinutes", declined) });
// @ts-expect-error what is aggregated is said by a test
agg.count({ where: "country" });
// @ts-expect-error nothing is greater than true
gt("disputed", true);
hourly.compute({ a: agg.share(or(gt("delayMinutes", 15), not(eq("origin", "JFK")))) });
hourly.compute({
  far: agg.share(
    custom({ name: "far", version: 1, test: (a: { origin: string }) => a.origin > "M" }),
  ),
});
hourly.compute({
  // @ts-expect-error the closure reads a field that arrivals do not have
  far: agg.share(custom({ name: "far", version: 1, test: (a: { miles: number }) => a.miles > 9 })),
});
// @ts-expect-error a closure carries a version
custom({ name: "far", test: () => true });

// Fields are compared with fields, and with constants of their types.
payments.where(neq(field("card"), field("country")));
payments.where(gte("amount", 10n));
// @ts-expect-error there is no such field to compare with
payments.where(eq("card", field("shop")));
// @ts-expect-error a number is not compared with text
payments.where(eq(field("amount"), "5"));
// @ts-expect-error there is no such field
payments.where(eq("shop", "s1"));
// @ts-expect-error records are chosen by a test
payments.where("disputed");

// Selections know their fields and types.
const chosen = payments.where(gt("amount", 0)).select({
  who: "card",
  sum: "amount",
  country: upper("country"),
  card: lower("card"),
  large: gt("amount", 500),
  abroad: neq(field("country"), field("card")),
});
same<
  NonNullable<typeof chosen.__record>,
  {
    readonly who: string;
    readonly sum: number | null;
    readonly country: string | null;
    readonly card: string;
    readonly large: boolean | null;
    readonly abroad: boolean | null;
  }
>(true);
chosen
  .keyedBy("who", "card")
  .over("1h")
  .compute({ mean: agg.mean("sum") });
chosen.where(eq("large", true)).identifiedBy("who");
const byWho = chosen.keyedBy("who").over("1h");
// @ts-expect-error the field has another name now
byWho.compute({ mean: agg.mean("amount") });
// @ts-expect-error a field that was not chosen is gone
chosen.where(eq("disputed", true));
// @ts-expect-error what may be unknown is no key
chosen.keyedBy("abroad");
// @ts-expect-error there is no such field to choose
payments.select({ shop: "shop" });
// @ts-expect-error a number has no upper case
payments.select({ amount: upper("amount") });
// @ts-expect-error a test of fields that payments do not have
payments.select({ late: gt("delayMinutes", 15) });
// @ts-expect-error a view is of records, which are chosen before
payments.keyedBy("card").where(gt("amount", 0));

// What comes again is told by a field that is never null.
payments.dedupedBy("id", { within: "1h" }).where(gt("amount", 0)).keyedBy("card");
// @ts-expect-error how far apart two of them are is required
payments.dedupedBy("id");
// @ts-expect-error a null tells nothing
payments.dedupedBy("country", { within: "1h" });
// @ts-expect-error there is no such field
payments.dedupedBy("paymentId", { within: "1h" });

// Views: a version and a ttl are required.
const computed = hourly.compute({ flights: agg.count(), delayMean: agg.mean("delayMinutes") });
const view = computed.asFeatureView("hourly@1", { ttl: "2h" }).into(online, offline);
// @ts-expect-error the ttl is required
computed.asFeatureView("hourly@1", {});
// @ts-expect-error the version is required
computed.asFeatureView("hourly", { ttl: "2h" });
// @ts-expect-error a view says where its rows are kept
computed.asFeatureView("hourly@1", { ttl: "2h" }).into();
// @ts-expect-error rows of a view have a topic of their own
computed.asFeatureView("hourly@1", { ttl: "2h" }).into(topic("rows"));
// @ts-expect-error a view that is not kept is not looked up
computed.asFeatureView("hourly@1", { ttl: "2h" }).at("origin");

// Look-ups: under fields of the triggering record, as many as the key has and of their types.
const routes = arrivals
  .keyedBy("origin", "destination")
  .over("1h")
  .compute({ flights: agg.count() })
  .asFeatureView("routes@1", { ttl: "2h" })
  .into(online);
const missing = { missing: "null" } as const;
departures.enrichedWith({ origin: view.at("origin"), inbound: view.at("destination") }, missing);
departures.enrichedWith({ route: routes.at("origin", "destination") }, missing);
// @ts-expect-error the key has two fields
routes.at("origin");
// @ts-expect-error the key has one field
view.at("origin", "destination");
// @ts-expect-error departures have no such field
departures.enrichedWith({ origin: view.at("airport") }, missing);
// @ts-expect-error a number does not name an origin
departures.enrichedWith({ origin: view.at("flightId") }, missing);
// @ts-expect-error what stands for a missing feature is required
departures.enrichedWith({ origin: view.at("origin") }, {});
// @ts-expect-error missing features are null
departures.enrichedWith({ origin: view.at("origin") }, { missing: "zero" });
departures.enrichedWith({}, { ...missing, request: { hour: calendar("localHour") } });
// @ts-expect-error text is no feature
departures.enrichedWith({}, { ...missing, request: { origin: "origin" } });
// @ts-expect-error text is no calendar feature
departures.enrichedWith({}, { ...missing, request: { origin: calendar("origin") } });
// @ts-expect-error there is no such field
departures.enrichedWith({}, { ...missing, request: { hour: "hour" } });
// @ts-expect-error a keyed stream is not enriched
departures.keyedBy("origin").enrichedWith({ origin: view.at("origin") }, missing);

// Names of the feature vector are known to the compiler.
const enriched = departures.enrichedWith(
  { inBound: view.at("origin") },
  { missing: "null", request: { distance: "distanceMiles", localHour: calendar("localHour") } },
);
const options = { model: "@champion", deadline: "20ms", fallback: prior(0.2) } as const;
const predictions = enriched.scoredBy("late", options).into(topic("predictions"), offline);
same<
  FeatureOf<typeof predictions>,
  "in_bound_flights_1h" | "in_bound_delay_mean_1h" | "distance" | "local_hour"
>(true);
same<SnakeCase<"delayP90">, "delay_p90">(true);
same<SnakeCase<"aB1CDe">, "a_b1_cde">(true);

// Scoring: model, deadline and fallback are required.
// @ts-expect-error the fallback is required
enriched.scoredBy("late", { model: "@champion", deadline: "20ms" });
// @ts-expect-error the deadline is required
enriched.scoredBy("late", { model: "@champion", fallback: prior(0.2) });
// @ts-expect-error the model in force has the alias champion
enriched.scoredBy("late", { ...options, model: "champion" });
// @ts-expect-error predictions have a topic
enriched.scoredBy("late", options).into(offline);
// @ts-expect-error predictions do not go online
enriched.scoredBy("late", options).into(topic("predictions"), online);
// @ts-expect-error a stream without features is not scored
departures.scoredBy("late", options);

// Labels: on a field of the type of the key, within a time, by a test of the label record.
const late = gt("delayMinutes", 15);
const outcomes = predictions
  .labelledBy(arrivals, { on: "flightId", within: "36h", label: late })
  .into(topic("outcomes"), offline);
interface Landed {
  readonly at: number;
  readonly of: number | null;
  readonly by: string | null;
  readonly late: boolean;
}
declare const landed: RecordSchema<Landed>;
const partial = from("landed", landed).timedBy("at", { lateness: "0s" }).repartitionedBy("at");
predictions.labelledBy(partial, { on: "of", within: "36h", label: eq("late", true) });
// @ts-expect-error the key of the predictions is a number
predictions.labelledBy(partial, { on: "by", within: "36h", label: eq("late", true) });
// @ts-expect-error the key of the predictions is a number
predictions.labelledBy(arrivals, { on: "origin", within: "36h", label: late });
// @ts-expect-error the time to wait is required
predictions.labelledBy(arrivals, { on: "flightId", label: late });
// @ts-expect-error departures do not know the delay
predictions.labelledBy(departures, { on: "flightId", within: "36h", label: late });

// Watch and training.
const watched = outcomes.watchedFor(drift.features({ over: "24h" }));
const cooldown = { cooldown: "24h" } as const;
const retrained = watched.retrainedWhen(
  any(noModel({ labels: 9 }), every("4d"), labels(9)),
  cooldown,
);
watched.retrainedWhen(drifted("features"), cooldown);
// @ts-expect-error no detector watches the performance
watched.retrainedWhen(drifted("performance"), cooldown);
// @ts-expect-error no detector watches the performance
watched.retrainedWhen(any(every("4d"), drifted("performance")), cooldown);
// @ts-expect-error the cooldown is required
watched.retrainedWhen(every("4d"), {});
// @ts-expect-error a period is a duration
every("4 days");
// @ts-expect-error the floor is required
drift.performance("auc", { over: "24h" });
// @ts-expect-error the metric is unknown
drift.performance("accuracy", { over: "24h", floor: 0.5 });
// @ts-expect-error at least one detector
outcomes.watchedFor();
const retraining = retrained.trainedBy(logisticRegression({ seed: 1 }), {
  over: "4d",
  trainingTime: "6h",
});
// @ts-expect-error the training time is required: in a replay scoring waits for it
retrained.trainedBy(logisticRegression({ seed: 1 }), { over: "4d" });
// @ts-expect-error predictions that have no labels are not watched
predictions.watchedFor(drift.features({ over: "24h" }));

// A topology takes steps, finished ones.
topology("flights", { predictions, outcomes, retraining, view });
// @ts-expect-error a stream is no step
topology("flights", { arrivals });
// @ts-expect-error a watch without training is not finished
topology("flights", { predictions, outcomes, watched });
// @ts-expect-error the guarantee is unknown
topology("flights", { predictions }, { guarantee: "at-most-once" });
