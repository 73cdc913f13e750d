/**
 * Flights over Kafka at a constant rate, open loop: each iteration one flight departs and one
 * lands, and what is sent at the same time goes with one request. A second scenario reads the
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

export { readBack, teardown } from "./k6/predictions.js";

/** Each flight is two events. */
const perSecond = rate / 2;
const schemas = {
  departure: open("../topologies/flights/departure.avsc"),
  arrival: open("../topologies/flights/arrival.avsc"),
};

const acknowledged = new Trend("ack_ms", true);
const events = new Counter("events");
const errors = new Counter("errors");

export const options = readBackOptions("flight", perSecond, { ack_ms: p99("ACK_P99", "100") });

export const setup = begin;

const flights = new FlightEvents(perSecond);
/** @type {Producer | undefined} */
let producer;

/** One departure, and the landing of the flight that departed a flight time ago. */
export function flight({ began, firstId }) {
  producer ??= new Producer(servers);
  const records = recordsOf(exec.scenario.iterationInTest, firstId);
  try {
    const ms = producer.send(records);
    events.add(records.length);
    if (isTimed(began)) acknowledged.add(ms);
  } catch (error) {
    errors.add(1);
    console.error(String(error));
  }
}

function recordsOf(iteration, firstId) {
  const departed = flights.departure(iteration, firstId);
  const landed = flights.arrival(iteration, firstId);
  const [topic, schema] = [departures, schemas.departure];
  /** @type {import("k6/x/millrace").Sending[]} */
  const records = [
    { topic, schema, key: String(departed.flightId), value: departed, answered: true },
  ];
  if (landed !== null) {
    const [topic, schema] = [arrivals, schemas.arrival];
    const key = String(landed.flightId);
    records.push({ topic, schema, key, value: landed, answered: false });
  }
  return records;
}

export const handleSummary = readBackSummary(["ack_ms", "events"]);
