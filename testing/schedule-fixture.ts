import { sampleAggregates } from "../processors/aggregate/samples-fixture.ts";
import { hashed, oneHot } from "../schemas/encodings/kinds.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { type Aggregate, agg } from "../topologies/dsl/aggregates.ts";
import { eq, gt, lt, neq } from "../topologies/dsl/conditions.ts";
import { calendar } from "../topologies/dsl/enrichment.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { lower } from "../topologies/dsl/select.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { logisticRegression } from "../topologies/dsl/training.ts";
import { any, every, labels, noModel } from "../topologies/dsl/triggers.ts";
import { drift } from "../topologies/dsl/watch.ts";
import { type Arrival, arrival, departure } from "../topologies/flights/generated.ts";
import type { LogEntry, SourceLogs } from "./sequential-oracle.ts";
import { seededRandom } from "./simulator.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2001, 0, 1);
const within = 36 * hour;

/** An aggregate of each kind over the miles of departures, and one with `where`. */
const everyAggregate = Object.fromEntries(
  Object.entries(sampleAggregates("distanceMiles", 500, 740)).map(([name, definition]) => {
    const aggregate: Aggregate<unknown> = { definition };
    return [name, aggregate];
  }),
);

const timedArrivals = from("air.arrivals", arrival).timedBy("arrivedAt", { lateness: "10m" });
const timedDepartures = from("air.departures", departure).timedBy("departedAt", {
  lateness: "10m",
});
const patient = { lateness: "10m", maxJump: "4d" } as const;
const plain = {
  arrivals: timedArrivals.partitionedBy("flightId"),
  departures: timedDepartures.partitionedBy("flightId"),
};
/** Far departures and the arrivals that are not very late, both by airports in lower case. */
const chosen = {
  arrivals: plain.arrivals
    .select({ flightId: "flightId", origin: lower("origin"), delayMinutes: "delayMinutes" })
    .where(lt("delayMinutes", 60)),
  departures: plain.departures.where(gt("distanceMiles", 400)).select({
    flightId: "flightId",
    origin: lower("origin"),
    destination: lower("destination"),
    distanceMiles: "distanceMiles",
    localHour: "localHour",
  }),
};
const scattered = {
  arrivals: timedArrivals.repartitionedBy("flightId"),
  departures: timedDepartures.repartitionedBy("flightId"),
};
/** Arrivals of which some do not say whose they are. */
const optionalArrival = recordSchema<Arrival & { readonly of: number | null }>({
  ...arrival,
  fields: [...arrival.fields, { name: "of", type: ["null", "long"] }],
});
const streams = {
  plain,
  scattered,
  deduped: {
    arrivals: plain.arrivals.dedupedBy("origin", { within: "2m" }),
    departures: plain.departures.dedupedBy("flightId", { within: "1h" }),
  },
  scatteredDeduped: {
    arrivals: scattered.arrivals.dedupedBy("flightId", { within: "1h" }),
    departures: scattered.departures
      .dedupedBy("flightId", { within: "1h" })
      .where(gt("distanceMiles", 200)),
  },
  patient: {
    arrivals: from("air.arrivals", arrival).timedBy("arrivedAt", patient).partitionedBy("flightId"),
    departures: from("air.departures", departure)
      .timedBy("departedAt", patient)
      .partitionedBy("flightId"),
  },
  // The steps below take no field that was not chosen.
  chosen: chosen as unknown as typeof plain,
  optional: {
    departures: plain.departures,
    arrivals: from("air.arrivals", optionalArrival)
      .timedBy("arrivedAt", { lateness: "10m" })
      .partitionedBy("flightId"),
  },
};

/** A small application with every kind of step, every aggregate and every cycle of the real one. */
export const air = airPlan("plain");
/** The same over topics that are partitioned by anything. */
export const scatteredAir = airPlan("scattered");
/** The same over some of the records, and those changed on their way. */
export const chosenAir = airPlan("chosen");
/** The same over sources that may rest for days. */
export const patientAir = airPlan("patient");
/** The same without records that come again: by the key, and by another field. */
export const dedupedAir = airPlan("deduped");
/** The same over topics that are partitioned by anything. */
export const scatteredDedupedAir = airPlan("scatteredDeduped");

/** The same, whose predictions tell what two features contributed. */
export const explainedAir = topology("air", airLoop("plain", { explain: { top: 2 } }));

/** Features of what scoring yields, beside all that `air` has. */
export const airOfPredictions = airPlan("plain", true);

/** The same, whose labels say in a field that may be null which flight they are of. */
export const optionalAir = topology("air", airLoop("optional", {}, "of"));

/** The same with other partitions than four. */
export const wideAir = (partitions: number) => topology("air", airLoop("plain"), { partitions });

function airPlan(variant: keyof typeof streams, ofPredictions = false): Plan {
  const loop = airLoop(variant);
  return topology("air", ofPredictions ? { ...loop, ...predictionViews(loop) } : loop);
}

function airLoop(
  variant: keyof typeof streams,
  options: { readonly explain?: { readonly top: number } } = {},
  on = "flightId",
) {
  const { arrivals, departures } = streams[variant];
  const originDelays = arrivals
    .keyedBy("origin")
    .over("1h", "3h")
    .compute({
      flights: agg.count(),
      delayMean: agg.mean("delayMinutes"),
      delayP90: agg.quantile("delayMinutes", 0.9),
      worst: agg.max("delayMinutes"),
    })
    .asFeatureView("origin_delays@1", { ttl: "48h" })
    .into(online, offline);
  const routeTraffic = departures
    .keyedBy("origin", "destination")
    .over("2h")
    .compute({ flights: agg.count(), milesDeviation: agg.stddev("distanceMiles") })
    .asFeatureView("route_traffic@1", { ttl: "48h" })
    .into(online, offline);
  const departed = departures
    .keyedBy("origin")
    .over("3h")
    .compute({
      ...everyAggregate,
      destinations: agg.distinct("destination"),
      to: agg.last("destination"),
      before: agg.first("destination", { where: gt("distanceMiles", 900) }),
    })
    .asFeatureView("departed@1", { ttl: "48h" })
    .into(online);

  const predictions = departures
    .enrichedWith(
      {
        origin: originDelays.at("origin"),
        inbound: originDelays.at("destination"),
        route: routeTraffic.at("origin", "destination"),
        departed: departed.at("origin"),
      },
      { missing: "null", request: { hour: calendar("localHour"), miles: "distanceMiles" } },
    )
    .derived({
      to: oneHot("departed_to_3h", ["A0", "A1"]),
      before: hashed("departed_before_3h", 3),
    })
    .scoredBy("late", {
      ...{ model: "@champion", deadline: "20ms", fallback: prior(0.2) },
      ...options,
    })
    .into(topic("air.predictions"), offline);
  const outcomes = predictions
    .labelledBy(arrivals, { on: on as "flightId", within: "36h", label: gt("delayMinutes", 15) })
    .into(topic("air.outcomes"), offline);
  const retraining = outcomes
    .watchedFor(
      drift.features({ over: "24h" }),
      drift.performance("auc", { over: "24h", floor: 0.3 }),
    )
    .retrainedWhen(any(noModel({ labels: 250 }), every("2d"), labels(700)), { cooldown: "24h" })
    .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "6h" });

  return { predictions, outcomes, retraining };
}

/** Of predictions and outcomes: by a key of theirs, of some of them, of one a key and hour. */
function predictionViews({ predictions, outcomes }: ReturnType<typeof airLoop>) {
  const far = predictions
    .where(gt("features.miles", 500))
    .keyedBy("keys.origin", "keys.destination")
    .over("2h")
    .compute({ n: agg.count(), miles: agg.mean("features.miles"), ids: agg.distinct("id") })
    .asFeatureView("far@1", { ttl: "48h" })
    .into(online);
  const known = outcomes
    .where(eq("labelled", true))
    .select({ at: lower("keys.origin"), to: "keys.destination", late: "label", id: "id" })
    .where(neq("to", "A0"))
    .keyedBy("at")
    .over("6h")
    .compute({ n: agg.count(), late: agg.share(eq("late", true)), to: agg.last("to") })
    .asFeatureView("known@1", { ttl: "48h" })
    .into(online, offline);
  const once = outcomes
    .dedupedBy("keys.destination", { within: "1h" })
    .where(eq("labelled", true))
    .keyedBy("keys.destination")
    .over("6h")
    .compute({ n: agg.count(), after: agg.max("labelEventTime") })
    .asFeatureView("once@1", { ttl: "48h" })
    .into(online);
  return { far, known, once };
}

/** A record on its way to a source topic. */
export interface Sent {
  readonly source: "air.departures" | "air.arrivals";
  /** When it is written: up to 9 minutes after its event time, and 1.5 % of them far too late. */
  readonly at: number;
  readonly record: Readonly<Record<string, unknown>>;
}

/**
 * A few days of flights between few airports, in the order in which they are sent: disordered, some
 * late, some doubled.
 */
export function makeSent(seed: number, flights: number, days: number): Sent[] {
  const random = seededRandom(seed);
  const sent = Array.from({ length: flights }, (_, id) => flight(id, days, random)).flat();
  return sent.sort((a, b) => a.at - b.at);
}

/**
 * {@link makeSent} as logs of the source topics, with watermarks.
 *
 * @param scattered - whether records stand in any partition instead of that of their key.
 */
export function makeLogs(
  seed: number,
  flights: number,
  days: number,
  scattered = false,
): SourceLogs {
  const sent = makeSent(seed, flights, days);
  const logs = new Map<string, LogEntry[][]>(
    ["air.departures", "air.arrivals"].map((name) => [name, [[], [], [], []]]),
  );
  const watermark = (before: number) => {
    for (const partitions of logs.values()) for (const log of partitions) log.push({ before });
  };
  let next = start;
  for (const { source, at, record } of sent) {
    for (; at >= next; next += 30 * minute) watermark(next);
    const key = `${scattered ? at : ""}${record["flightId"]}`;
    const partition = partitionOf(key, 4);
    logs.get(source)?.[partition]?.push({ record });
  }
  watermark((sent.at(-1)?.at ?? start) + within + 2 * hour);
  return logs;
}

/** The same logs, in which every seventh arrival is of nobody. */
export function withoutSome(logs: SourceLogs): SourceLogs {
  let count = 0;
  const changed = (entry: LogEntry): LogEntry => {
    if (!("record" in entry)) return entry;
    const { record } = entry;
    return { record: { ...record, of: count++ % 7 === 0 ? null : record["flightId"] } };
  };
  return new Map(
    [...logs].map(([topic, partitions]) => [
      topic,
      topic === "air.arrivals" ? partitions.map((log) => log.map(changed)) : partitions,
    ]),
  );
}

/** Those logs without any record or watermark from one day to another; one watermark at the end. */
export function withPause(logs: SourceLogs, fromDay: number, toDay: number): SourceLogs {
  const timeOf = (entry: LogEntry) =>
    "before" in entry
      ? entry.before
      : Number(entry.record["departedAt"] ?? entry.record["arrivedAt"]);
  const stays = (entry: LogEntry) => {
    const time = timeOf(entry);
    if (time < start + fromDay * day) return true;
    return "record" in entry && time >= start + toDay * day;
  };
  return new Map(
    [...logs].map(([topic, partitions]) => [
      topic,
      partitions.map((log) => [...log.slice(0, -1).filter(stays), ...log.slice(-1)]),
    ]),
  );
}

function flight(id: number, days: number, random: () => number): Sent[] {
  const airport = () => `A${Math.floor(random() ** 1.8 * 9)}`;
  const jitter = () => {
    const draw = random();
    if (draw < 0.15) return Math.floor(random() * 9) * minute;
    return draw < 0.165 ? (30 + Math.floor(random() * 120)) * minute : 0;
  };
  const [origin, destination] = [airport(), airport()];
  const departedAt =
    start + Math.floor(random() * days) * day + Math.floor(300 + random() * 1100) * minute;
  let arrivedAt = departedAt + 30 * minute + Math.floor(random() * 240) * minute;
  // Some labels come at the very edge of `within`: one millisecond in time, or just too late.
  if (random() < 0.02) arrivedAt = departedAt + within - (random() < 0.5 ? 0 : 1);
  const delayMinutes = Math.round(random() * random() * 90) - 10;
  const distanceMiles = 100 + Math.floor(random() * 2000);
  const local = { localHour: Math.floor(random() * 24), localWeekday: 1 };
  const departure: Sent = {
    source: "air.departures",
    at: departedAt + jitter(),
    record: { flightId: id, departedAt, origin, destination, distanceMiles, ...local },
  };
  const all = [departure];
  if (random() < 0.02) all.push({ ...departure, at: departure.at + jitter() });
  if (random() > 0.02) {
    const record = { flightId: id, arrivedAt, origin, destination, delayMinutes };
    all.push({ source: "air.arrivals", at: arrivedAt + jitter(), record });
  }
  return all;
}
