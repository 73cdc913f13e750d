import { Counter, Gauge, Trend } from "k6/metrics";
import { account, follow, look } from "k6/x/millrace";
import { drain, isTimed, loadSeconds } from "./load.js";
import { setting } from "./settings.js";

/** Where records go; the addresses of a local stack are given by `npm run loadtest`. */
export const servers = { brokers: setting("BROKERS").split(","), registry: setting("REGISTRY") };
/** Time without a record after which the topic is taken to be read, ms. */
const quietMs = 2_000;
const lookMs = 250;

const predicted = new Trend("prediction_ms", true);
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

/** One virtual user that reads; `readBack` is exported by the script. */
export const readBackScenario = {
  executor: "per-vu-iterations",
  exec: "readBack",
  vus: 1,
  iterations: 1,
  maxDuration: `${loadSeconds + 2 * drain}s`,
};

/** Each id that was sent has one prediction, in time. `least`: ids that have to be sent. */
export function completenessThresholds(least) {
  return {
    prediction_ms: [
      `p(50)<${setting("PREDICTION_P50", "500")}`,
      `p(99)<${setting("PREDICTION_P99", "2000")}`,
    ],
    ids_sent: [`value>=${least}`],
    ids_unsure: ["value==0"],
    ids_missing: ["value==0"],
    ids_doubled: ["value==0"],
  };
}

/** Metrics without which nothing is said of completeness. */
export const completenessMetrics = [
  "prediction_ms",
  ...Object.values(counts).map(({ name }) => name),
];

/** Reads from the end of the topic on, before anything is sent; numbers of this run's own. */
export function begin() {
  return beginOn("flights.predictions");
}

/** The same of another topic, whose keys are the ids. */
export function beginOn(topic) {
  follow(servers, topic);
  const began = Date.now();
  return { began, firstId: Math.floor(began / 1_000) * 1_000_000 };
}

/** What the scenario that reads back calls. */
export function readBack({ began }) {
  readPredictions(began);
}

/** Reads until every id is answered and nothing comes any more, or until the limit. */
function readPredictions(began) {
  const loadEnds = began + loadSeconds * 1_000;
  let lastAt = Date.now();
  for (;;) {
    const seen = look(lookMs);
    const now = Date.now();
    if (seen.records > 0) lastAt = now;
    if (isTimed(began)) for (const ms of seen.latencies) predicted.add(ms);
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
    const more = keys.length < found[kind] ? " …" : "";
    if (keys.length > 0) console.error(`${kind}: ${keys.join(", ")}${more}`);
  }
}
