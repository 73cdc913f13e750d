import { constantArrivals, isTimed, planned, usualOptions } from "./load.js";
import { completenessMetrics, completenessThresholds, readBackScenario } from "./predictions.js";
import { setting } from "./settings.js";
import { summary } from "./summary.js";

/**
 * What a script sends, whatever it is: an open loop at a constant rate, held to its latency, to no
 * error, to iterations that were not dropped, and to completeness.
 *
 * @param {string} exec - the exported function of an iteration.
 * @param {number} perSecond - iterations.
 * @param {Record<string, string[]>} thresholds - of metrics of the script's own.
 */
export function loadOptions(exec, perSecond, thresholds) {
  const { dropped, least } = planned(perSecond);
  return {
    scenarios: { load: constantArrivals(exec, perSecond) },
    thresholds: {
      ...thresholds,
      errors: ["count==0"],
      dropped_iterations: [`count<=${dropped}`],
      iterations: [`count>=${least}`],
    },
    ...usualOptions,
  };
}

/**
 * The same of a script whose ids are read back from a topic: each that was acknowledged stands
 * there once. The script exports `readBack` and `teardown` of predictions.js.
 *
 * @param {string} exec - the exported function of an iteration.
 * @param {number} perSecond - iterations.
 * @param {Record<string, string[]>} thresholds - of metrics of the script's own.
 * @param {number} ids - of an iteration.
 */
export function readBackOptions(exec, perSecond, thresholds, ids = 1) {
  const options = loadOptions(exec, perSecond, thresholds);
  return {
    ...options,
    scenarios: { ...options.scenarios, readBack: readBackScenario },
    thresholds: {
      ...options.thresholds,
      ...completenessThresholds(planned(perSecond).least * ids),
    },
  };
}

/** Holds a time to a limit at the 99th percentile, ms, which a setting names. */
export function p99(name, fallback) {
  return [`p(99)<${setting(name, fallback)}`];
}

/**
 * The end of a script whose ids are read back: k6 calls it.
 *
 * @param {readonly string[]} own - metrics of the script without which it says nothing.
 */
export function readBackSummary(own) {
  return (data) => summary(data, [...own, ...completenessMetrics]);
}

/**
 * Counts an answer that is none, and times one that is.
 *
 * @param {{ status: number, body: string, error: string, timings: { duration: number } }} answer
 * @param {{ add(value: number): void }} errors
 * @param {{ add(value: number): void }} times
 * @param {number} began - UTC ms of the load's beginning.
 */
export function isAnswered(answer, errors, times, began, expected = 200) {
  if (answer.status !== expected) {
    errors.add(1);
    console.error(`${answer.status} ${answer.body ?? answer.error}`);
    return false;
  }
  if (isTimed(began)) times.add(answer.timings.duration);
  return true;
}
