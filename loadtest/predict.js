/**
 * Predictions over the gateway at a constant rate, open loop: each request a flight of its own, of
 * which the answer has to be. A second scenario reads the gateway's prediction log back from Kafka:
 * each id that was answered stands there once. The run itself feeds flights, so that there are
 * features.
 *
 * Needs k6 with loadtest/k6/extension, and flights that run live with a gateway: `npm run loadtest
 * -- predict` sees to both.
 */
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Trend } from "k6/metrics";
import { expectAnswer, settle } from "k6/x/millrace";
import { FlightEvents } from "./k6/flight-events.js";
import { isAnswered, p99, readBackOptions, readBackSummary } from "./k6/frame.js";
import { rate } from "./k6/load.js";
import { beginOn } from "./k6/predictions.js";
import { setting } from "./k6/settings.js";

export { readBack, teardown } from "./k6/predictions.js";

const gateway = setting("GATEWAY");
const headers = { "content-type": "application/json" };

const answered = new Trend("predict_ms", true);
const errors = new Counter("errors");
/** Answers of another flight than the one that was asked for, or that are no probability. */
const wrong = new Counter("wrong_answers");

export const options = readBackOptions("predict", rate, {
  predict_ms: p99("PREDICT_P99", "50"),
  wrong_answers: ["count==0"],
});

export const setup = () => beginOn("flights.predictions.served");

const flights = new FlightEvents(rate);

export function predict({ began, firstId }) {
  const record = flights.departure(exec.scenario.iterationInTest, firstId);
  const key = String(record.flightId);
  expectAnswer(key);
  const answer = http.post(`${gateway}/v1/predict/predictions`, JSON.stringify({ record }), {
    headers,
  });
  settle(key, answer.status === 200);
  if (!isAnswered(answer, errors, answered, began)) return;
  const { id, probability } = JSON.parse(answer.body);
  if (id !== key || !(probability >= 0 && probability <= 1)) wrong.add(1);
}

export const handleSummary = readBackSummary(["predict_ms"]);
