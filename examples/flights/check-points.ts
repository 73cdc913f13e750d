import type { CheckReport, CheckRun } from "../../runtime/hosting/application-spec.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { FlightsConfig } from "./flights-settings.ts";
import { checkRun } from "./oracle/check-run.ts";

/** Look-ups against SQL over the raw file, when points are asked for. */
export async function checkPoints(run: CheckRun<FlightsConfig>): Promise<CheckReport | null> {
  const { stack, config, live, range, identity: inject, onStep } = run;
  const { points } = config;
  if (points === 0 || live) return null;
  const asked = points.toLocaleString("en-US");
  onStep(0, `recomputing ${asked} look-ups`);
  const { checked, mismatched, mismatches } = await checkRun({
    ...{ plan, stack, ...range, inject, points },
  });
  const shown = checked.toLocaleString("en-US");
  return {
    facts: { checked },
    problems: mismatches.map(
      ({ view, key, q, column, expected, found }) =>
        `${view} of ${key} at ${new Date(q).toISOString()}: ${column} is ${found}, not ${expected}`,
    ),
    text: `${shown} look-ups recomputed in SQL over the raw file: ${mismatched} differ`,
  };
}
