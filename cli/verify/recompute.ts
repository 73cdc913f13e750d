import { type RecomputeReport, recomputeRun } from "../../audit/recomputed/recompute-run.ts";
import { aggregateKind } from "../../processors/aggregate/registry.ts";
import { refuse } from "../../runtime/config.ts";
import type { CheckReport, CheckRun } from "../../runtime/hosting/application-spec.ts";

/** Look-ups of all views against SQL over the committed records, when points are asked for. */
export async function recompute(run: CheckRun): Promise<CheckReport | null> {
  const { plans, stack, config, live, range, onStep } = run;
  const { points } = config;
  if (points === 0) return null;
  if (live) {
    refuse(["--points: a live run knows records by the clock: leave it out, or use --reread"]);
  }
  const reports: RecomputeReport[] = [];
  for (const [index, plan] of plans.entries()) {
    onStep(index / plans.length, `recomputing ${plan.name}`);
    const share = (part: number) => Math.floor((points * part) / plans.length);
    const ownPoints = share(index + 1) - share(index);
    const definitions = aggregateKind;
    reports.push(await recomputeRun({ plan, stack, definitions, ...range, points: ownPoints }));
  }
  const sum = (count: (report: RecomputeReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0);
  const [recomputed, tiled] = [sum(({ checked }) => checked), sum(({ tiled }) => tiled)];
  const left = reports.flatMap((report) => report.left);
  const shown = recomputed.toLocaleString("en-US");
  const parts = [
    `${shown} look-ups recomputed in SQL over the records: ${sum((each) => each.mismatched)} differ`,
    ...(tiled === 0 ? [] : [`${tiled.toLocaleString("en-US")} served from tiles, not compared`]),
    ...left.map(({ view, reason }) => `${view} not computed in SQL: ${reason}`),
  ];
  return {
    facts: { recomputed },
    problems: reports.flatMap(({ mismatches }) =>
      mismatches.map(
        ({ view, key, q, column, expected, found }) =>
          `${view} of ${key} at ${new Date(q).toISOString()}: ${column} is ${found}, not ${expected}`,
      ),
    ),
    text: parts.join("; "),
  };
}
