/**
 * Reads features over the gateway at a constant rate, open loop: half of the requests one entity
 * of one view, half 50 entities of one view, as a ranking would ask. The run itself feeds flights,
 * so that what is read changes meanwhile.
 *
 * Needs flights that run live with a gateway and a load of their own: `npm run loadtest --
 * features` sees to both.
 */
import { sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";
import { loadAirports } from "../examples/flights/load/airports.ts";
import { isAnswered, loadOptions, p99 } from "./k6/frame.js";
import { isTimed, rate } from "./k6/load.js";
import { setting } from "./k6/settings.js";
import { summary } from "./k6/summary.js";

const gateway = setting("GATEWAY");
const headers = { "content-type": "application/json" };
/** How far a view may lie behind the clock with its rows still FRESH, ms. */
const maxLagMs = Number(setting("MAX_LAG", "5000"));
/** Entities of a request for many: each airport, some of them twice. */
const entities = 50;

const one = new Trend("features_one_ms", true);
const many = new Trend("features_many_ms", true);
const errors = new Counter("errors");
/** Answers that are not of the entities that were asked for, in their order. */
const wrong = new Counter("wrong_answers");
const fresh = new Rate("fresh");

export const options = loadOptions("read", rate, {
  features_one_ms: p99("ONE_P99", "20"),
  features_many_ms: p99("MANY_P99", "50"),
  wrong_answers: ["count==0"],
  fresh: [`rate>=${setting("FRESH", "0.99")}`],
});

const views = ["origin_delays", "destination_delays", "origin_traffic"];

/** A run that has just begun has nothing to serve yet: waits for the first row, ms. */
const firstRowMs = 60_000;

export function setup() {
  const end = Date.now() + firstRowMs;
  for (;;) {
    const answer = http.get(`${gateway}/v1/features/origin_traffic/${airport(0)}`);
    if (answer.status === 200 && JSON.parse(answer.body).status === "FRESH") break;
    if (Date.now() > end) throw new Error(`no fresh row: ${answer.status} ${answer.body}`);
    sleep(1);
  }
  return { began: Date.now() };
}

export function read({ began }) {
  const iteration = exec.scenario.iterationInTest;
  if (iteration % 2 === 0) readOne(iteration / 2, began);
  else readMany((iteration - 1) / 2, began);
}

function viewOf(number) {
  return views[number % views.length] ?? "";
}

function airport(number) {
  return loadAirports[number % loadAirports.length]?.code ?? "";
}

function readOne(number, began) {
  const [view, code] = [viewOf(number), airport(number)];
  const answer = http.get(`${gateway}/v1/features/${view}/${code}?maxLagMs=${maxLagMs}`, {
    tags: { name: view },
  });
  if (!isAnswered(answer, errors, one, began)) return;
  const { key, status, features } = JSON.parse(answer.body);
  const isRight = Object.values(key).join() === code && typeof features === "object";
  if (!isRight) wrong.add(1);
  if (isTimed(began)) fresh.add(status === "FRESH");
}

function readMany(number, began) {
  const keys = Array.from({ length: entities }, (_, at) => airport(number + at));
  const body = JSON.stringify({ views: [{ view: viewOf(number), keys }], maxLagMs });
  const answer = http.post(`${gateway}/v1/features`, body, { headers });
  if (!isAnswered(answer, errors, many, began)) return;
  const [{ features, rows }] = JSON.parse(answer.body).views;
  const isRight =
    rows.length === entities &&
    rows.every(({ key, values }, at) => {
      return key.join() === keys[at] && values.length === features.length;
    });
  if (!isRight) wrong.add(1);
  if (isTimed(began)) for (const { status } of rows) fresh.add(status === "FRESH");
}

export function handleSummary(data) {
  return summary(data, ["features_one_ms", "features_many_ms", "iterations", "fresh"]);
}
