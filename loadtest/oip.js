/**
 * Models as such over the gateway at a constant rate, open loop: each request rows of a vector of
 * its own (Open Inference Protocol, JSON), of which the answer has to be. Raw models have no log:
 * that each request was scored once is said by the gateway's own statistics of the model.
 *
 * Needs k6 with loadtest/k6/extension, and flights that run live with a gateway and a champion:
 * `npm run loadtest -- oip` sees to all.
 */
import { sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Gauge, Trend } from "k6/metrics";
import { account, expectAnswer, settle } from "k6/x/millrace";
import { isAnswered, loadOptions, p99 } from "./k6/frame.js";
import { rate } from "./k6/load.js";
import { setting } from "./k6/settings.js";
import { summary } from "./k6/summary.js";

const model = `${setting("GATEWAY")}/v2/models/${setting("MODEL", "late_arrival")}`;
const headers = { "content-type": "application/json" };
/** Of a request. */
const rows = Number(setting("ROWS", "1"));

const answered = new Trend("infer_ms", true);
const errors = new Counter("errors");
/** Answers of another request, of other rows, or that are no probabilities. */
const wrong = new Counter("wrong_answers");
const counts = {
  asked: new Gauge("requests_answered"),
  scored: new Gauge("requests_scored"),
  difference: new Gauge("requests_unaccounted"),
};

export const options = loadOptions("infer", rate, {
  infer_ms: p99("INFER_P99", "20"),
  wrong_answers: ["count==0"],
  requests_unaccounted: ["value==0"],
});

/** A model that was just registered is not heard of everywhere at once, ms. */
const championMs = 60_000;

export function setup() {
  const end = Date.now() + championMs;
  for (;;) {
    const ready = http.get(`${model}/ready`);
    if (ready.status === 200) break;
    if (Date.now() > end) throw new Error(`no champion: ${ready.status} ${ready.body}`);
    sleep(0.5);
  }
  const [{ shape }] = JSON.parse(http.get(model).body).inputs;
  return { began: Date.now(), width: shape[1], before: requestsScored() };
}

/** Requests that the gateway says it has scored with this model. */
function requestsScored() {
  const { model_stats: all } = JSON.parse(http.get(`${model}/stats`).body);
  return all.reduce((sum, { inference_stats }) => sum + inference_stats.success.count, 0);
}

export function infer({ began, width }) {
  const id = String(exec.scenario.iterationInTest);
  const data = Array.from({ length: rows * width }, (_, at) => (Number(id) + at) % 97);
  const inputs = [{ name: "features", datatype: "FP64", shape: [rows, width], data }];
  expectAnswer(id);
  const answer = http.post(`${model}/infer`, JSON.stringify({ id, inputs }), { headers });
  settle(id, answer.status === 200);
  if (!isAnswered(answer, errors, answered, began)) return;
  const told = JSON.parse(answer.body);
  const probabilities = told.outputs[0].data;
  const isRight =
    told.id === id &&
    probabilities.length === rows &&
    probabilities.every((each) => each >= 0 && each <= 1);
  if (!isRight) wrong.add(1);
}

/** Whatever cut the run short, this is asked. */
export function teardown({ before }) {
  const { sent } = account();
  const scored = requestsScored() - before;
  counts.asked.add(sent);
  counts.scored.add(scored);
  counts.difference.add(Math.abs(scored - sent));
}

export function handleSummary(data) {
  return summary(data, ["infer_ms", ...Object.values(counts).map(({ name }) => name)]);
}
