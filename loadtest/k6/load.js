import { seconds, setting } from "./settings.js";

/** Events or requests a second. */
export const rate = Number(setting("RATE", "1000"));
const length = seconds(setting("LENGTH", "30s"));
/** Beginning of the load that is not timed: the first connections, code not compiled yet. */
const warmUp = seconds(setting("WARM_UP", "5s"));
/** How long what was begun may take after the load. */
export const drain = seconds(setting("DRAIN", "30s"));
/** Share that may be dropped: a machine that is busy for a moment drops some. */
const dropped = Number(setting("DROPPED", "0.01"));
/** From the first iteration on. */
export const loadSeconds = warmUp + length;

/** Whether the load is warm. `began`: UTC ms. */
export function isTimed(began) {
  return Date.now() - began >= warmUp * 1_000;
}

/** An open loop: so many iterations a second of an exported function, whatever takes how long. */
export function constantArrivals(exec, perSecond) {
  return {
    executor: "constant-arrival-rate",
    exec,
    rate: Math.max(1, Math.round(perSecond)),
    timeUnit: "1s",
    duration: `${loadSeconds}s`,
    // One that is made while the load is on takes its time: iterations are dropped meanwhile.
    preAllocatedVUs: Math.max(40, Math.round(perSecond / 10)),
    maxVUs: Math.max(100, Math.round(perSecond / 5)),
    gracefulStop: `${drain}s`,
  };
}

/** Iterations that are meant to be done, and how many of them may not be. */
export function planned(perSecond) {
  const all = Math.max(1, Math.round(perSecond)) * loadSeconds;
  return {
    most: all,
    least: Math.floor(all * (1 - dropped)) - 2,
    dropped: Math.ceil(all * dropped),
  };
}

/** What each script sets alike. */
export const usualOptions = {
  summaryTrendStats: ["min", "avg", "p(50)", "p(95)", "p(99)", "max", "count"],
  setupTimeout: "120s",
  teardownTimeout: "60s",
};
