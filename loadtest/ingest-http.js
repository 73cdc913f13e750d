/**
 * Flights over the gateway at a constant rate, open loop: each iteration one flight departs and
 * one lands, an event a request. A second scenario reads the predictions back from Kafka.
 *
 * Needs k6 with loadtest/k6/extension, and flights that run live with a gateway: `npm run loadtest
 * -- ingest-http` sees to both.
 */
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";
import { expectAnswer, settle } from "k6/x/millrace";
import { arrivals, departures, FlightEvents } from "./k6/flight-events.js";
import { isAnswered, p99, readBackOptions, readBackSummary } from "./k6/frame.js";
import { rate } from "./k6/load.js";
import { begin } from "./k6/predictions.js";
import { setting } from "./k6/settings.js";

export { readBack, teardown } from "./k6/predictions.js";

const gateway = setting("GATEWAY");
const headers = { "content-type": "application/json" };
/** Each flight is two events. */
const perSecond = rate / 2;
const accepted = 202;

const acknowledged = new Trend("ack_ms", true);
const events = new Counter("events");
const errors = new Counter("errors");

export const options = readBackOptions("flight", perSecond, { ack_ms: p99("ACK_P99", "200") });

export const setup = begin;

const flights = new FlightEvents(perSecond);

/** One departure, and the landing of the flight that departed a flight time ago. */
export function flight({ began, firstId }) {
  const iteration = exec.scenario.iterationInTest;
  const departed = flights.departure(iteration, firstId);
  const key = String(departed.flightId);
  expectAnswer(key);
  settle(key, put(departures, departed, began));
  const landed = flights.arrival(iteration, firstId);
  if (landed !== null) put(arrivals, landed, began);
}

/** Whether the gateway says that Kafka has acknowledged it. */
function put(topic, event, began) {
  const answer = http.post(`${gateway}/v1/events/${topic}`, JSON.stringify(event), {
    headers,
    tags: { name: topic },
  });
  if (!isAnswered(answer, errors, acknowledged, began, accepted)) return false;
  events.add(1);
  return true;
}

export const handleSummary = readBackSummary(["ack_ms", "events"]);
