import type { Plan } from "../../../schemas/plan.ts";
import { predictionsOf } from "../../../schemas/plan-facts.ts";

/** Of a run in live mode at least, ms: the fallback answers meanwhile, from the deadline on. */
const liveMs = 10_000;
/** Of a run in a replay at least, ms: what is slow answers all the same, on a slow machine too. */
const replayMs = 60_000;
/** A row that is asked alone takes no longer than the deadline where its model is registered. */
const deadlines = 10;

/** How long a run may take, ms: ten times the longest deadline of the plan's steps, or more. */
export function runLimitMs(plan: Plan, isLive: boolean): number {
  const longest = predictionsOf(plan).map(({ deadlineMs }) => deadlines * deadlineMs);
  return Math.max(isLive ? liveMs : replayMs, ...longest);
}
