/**
 * Flights over Kafka at a constant rate, open loop: each iteration one flight departs and one
 * lands. A second scenario reads the predictions back at read_committed while they come.
 *
 * Needs k6 with loadtest/k6/extension, and flights that run live: `npm run loadtest` sees to both.
 */
import exec from "k6/execution";
import { Counter, Gauge, Trend } from "k6/metrics";
import { account, follow, look, Producer } from "k6/x/millrace";
import { FlightEvents } from "./k6/flight-events.js";
import { seconds, setting } from "./k6/settings.js";
import { summary } from "./k6/summary.js";

const servers = { brokers: setting("BROKERS").split(","), registry: setting("REGISTRY") };
/** Events a second, departures and arrivals together. */
const rate = Number(setting("RATE", "1000"));
const length = seconds(setting("LENGTH", "30s"));
/** Departure to arrival. */
const flightTime = seconds(setting("FLIGHT_TIME", "5s"));
/** How long the last predictions may take after the load. */
const drain = seconds(setting("DRAIN", "30s"));
/** Extent of the load that does not count: the first connections, code not compiled yet. */
const warmUp = seconds(setting("WARM_UP", "5s"));

/** Share of the flights that may be dropped: a machine that is busy for a moment drops some. */
const dropped = Number(setting("DROPPED", "0.01"));
const planned = (rate / 2) * (warmUp + length);

const topics = {
  departures: {
    name: "flights.departures",
    schema: open("../topologies/flights/departure.avsc"),
  },
  arrivals: { name: "flights.arrivals", schema: open("../topologies/flights/arrival.avsc") },
};
const predictions = "flights.predictions";
/** Time without a record after which the topic is taken to be read, ms. */
const quietMs = 2_000;
const lookMs = 250;

const acknowledged = new Trend("ack_ms", true);
const predicted = new Trend("prediction_ms", true);
const events = new Counter("events");
const errors = new Counter("errors");
const fallbacks = new Counter("fallbacks");
const incomplete = new Counter("incomplete");
const counts = {
  sent: new Gauge("ids_sent"),
  unsure: new Gauge("ids_unsure"),
  answered: new Gauge("ids_answered"),
  missing: new Gauge("ids_missing"),
  doubled: new Gauge("ids_doubled"),
  foreign: new Gauge("ids_foreign"),
};

export const options = {
  scenarios: {
    flights: {
      executor: "constant-arrival-rate",
      exec: "flight",
      rate: Math.max(1, Math.round(rate / 2)),
      timeUnit: "1s",
      duration: `${warmUp + length}s`,
      preAllocatedVUs: Math.max(10, Math.round(rate / 50)),
      maxVUs: Math.max(100, Math.round(rate / 10)),
      gracefulStop: `${drain}s`,
    },
    predictions: {
      executor: "per-vu-iterations",
      exec: "readBack",
      vus: 1,
      iterations: 1,
      maxDuration: `${warmUp + length + 2 * drain}s`,
    },
  },
  thresholds: {
    ack_ms: [`p(99)<${setting("ACK_P99", "100")}`],
    prediction_ms: [
      `p(50)<${setting("PREDICTION_P50", "500")}`,
      `p(99)<${setting("PREDICTION_P99", "2000")}`,
    ],
    errors: ["count==0"],
    dropped_iterations: [`count<=${Math.ceil(planned * dropped)}`],
    ids_sent: [`value>=${Math.floor(planned * (1 - dropped)) - 2}`],
    ids_unsure: ["value==0"],
    ids_missing: ["value==0"],
    ids_doubled: ["value==0"],
  },
  summaryTrendStats: ["min", "avg", "p(50)", "p(95)", "p(99)", "max", "count"],
  setupTimeout: "60s",
  teardownTimeout: "60s",
};

/** Reads from the end of the topic on, before anything is sent; numbers of this run's own. */
export function setup() {
  follow(servers, predictions);
  const began = Date.now();
  return { began, firstId: Math.floor(began / 1_000) * 1_000_000 };
}

const flights = new FlightEvents(topics, flightTime * 1_000, rate / 2);
/** @type {Producer | undefined} */
let producer;

/** One departure, and the landing of the flight that departed a flight time ago. */
export function flight({ began, firstId }) {
  producer ??= new Producer(servers);
  const records = flights.of(exec.scenario.iterationInTest, firstId, Date.now());
  try {
    const ms = producer.send(records);
    events.add(records.length);
    if (Date.now() - began >= warmUp * 1_000) acknowledged.add(ms);
  } catch (error) {
    errors.add(1);
    console.error(String(error));
  }
}

/** Reads until every id is answered and nothing comes any more, or until the limit. */
export function readBack({ began }) {
  const loadEnds = began + (warmUp + length) * 1_000;
  let lastAt = Date.now();
  for (;;) {
    const seen = look(lookMs);
    const now = Date.now();
    if (seen.records > 0) lastAt = now;
    if (now - began >= warmUp * 1_000) {
      for (const ms of seen.latencies) predicted.add(ms);
    }
    fallbacks.add(seen.fallbacks);
    incomplete.add(seen.incomplete);
    if (now < loadEnds + quietMs) continue;
    const isComplete = account().missing === 0 && now - lastAt >= quietMs;
    if (isComplete || now >= loadEnds + drain * 1_000) return;
  }
}

/** The account of the whole run: whatever cut it short, this is asked. */
export function teardown() {
  const found = account();
  for (const [name, gauge] of Object.entries(counts)) gauge.add(found[name]);
  for (const kind of ["missing", "doubled"]) {
    const keys = found[`${kind}Keys`];
    if (keys.length > 0)
      console.error(`${kind}: ${keys.join(", ")}${keys.length < found[kind] ? " …" : ""}`);
  }
}

export function handleSummary(data) {
  const measured = Object.values(counts).map(({ name }) => name);
  return summary(data, ["ack_ms", "prediction_ms", "events", ...measured]);
}
