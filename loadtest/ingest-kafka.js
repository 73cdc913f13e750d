/**
 * Flights over Kafka at a constant rate, open loop: in each iteration a few flights depart and as
 * many land, and what is sent at the same time goes with one request. A second scenario reads the
 * predictions back at read_committed while they come.
 *
 * Needs k6 with loadtest/k6/extension, and flights that run live: `npm run loadtest` sees to both.
 */
import exec from "k6/execution";
import { Counter, Trend } from "k6/metrics";
import { Producer } from "k6/x/millrace";
import { arrivals, departures, FlightEvents } from "./k6/flight-events.js";
import { p99, readBackOptions, readBackSummary } from "./k6/frame.js";
import { isTimed, rate } from "./k6/load.js";
import { begin, servers } from "./k6/predictions.js";
import { setting } from "./k6/settings.js";

export { readBack, teardown } from "./k6/predictions.js";

/** Each flight is two events. */
const perSecond = rate / 2;
/** Flights of an iteration: some 100 iterations a second at most cost k6 and Kafka little. */
const each = Number(setting("FLIGHTS", String(Math.ceil(perSecond / 100))));
if (!(Number.isInteger(each) && each > 0)) throw new Error("FLIGHTS is a whole number from 1 on");
const schemas = {
  [departures]: open("../topologies/flights/departure.avsc"),
  [arrivals]: open("../topologies/flights/arrival.avsc"),
};

const acknowledged = new Trend("ack_ms", true);
const events = new Counter("events");
const errors = new Counter("errors");

export const options = readBackOptions(
  "flightsOf",
  perSecond / each,
  { ack_ms: p99("ACK_P99", "100") },
  each,
);

export const setup = begin;

const flights = new FlightEvents(perSecond);
/** @type {Producer | undefined} */
let producer;

/** Departures, and the landings of the flights that departed a flight time ago. */
export function flightsOf({ began, firstId }) {
  producer ??= new Producer(servers, schemas);
  const records = recordsOf(exec.scenario.iterationInTest * each, firstId);
  try {
    const ms = producer.send(records);
    events.add(records.length);
    if (isTimed(began)) acknowledged.add(ms);
  } catch (error) {
    errors.add(1);
    console.error(String(error));
  }
}

function recordsOf(first, firstId) {
  /** @type {import("k6/x/millrace").Sending[]} */
  const records = [];
  for (let flight = first; flight < first + each; flight++) {
    const departed = flights.departure(flight, firstId);
    const landed = flights.arrival(flight, firstId);
    const key = String(departed.flightId);
    records.push({ topic: departures, key, value: departed, answered: true });
    if (landed === null) continue;
    records.push({ topic: arrivals, key: String(landed.flightId), value: landed, answered: false });
  }
  return records;
}

export const handleSummary = readBackSummary(["ack_ms", "events"]);
