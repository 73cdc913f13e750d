import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { type FeatureViewSpec, viewId } from "../../schemas/feature-view.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { nameOfStep, sqlGapOf } from "../../schemas/steps/steps.ts";
import { checkRows, joinReports, type RowsReport } from "./check-rows.ts";
import type { Definitions } from "./expected-sql.ts";
import { recomputeGap } from "./recomputable.ts";
import { writeSourceEvents } from "./source-events.ts";

export interface RunToRecompute {
  readonly plan: Plan;
  readonly stack: Pick<Stack, "broker" | "registry" | "offline" | "files">;
  readonly definitions: Definitions;
  /** Event time that was run, UTC ms. */
  readonly from: number;
  readonly to: number;
  /** Over all views together. */
  readonly points: number;
  /** @default 1 */
  readonly seed?: number;
  /** SQL of the rows of a view. @default its table */
  readonly rowsOf?: (view: FeatureViewSpec) => string;
}

export interface RecomputeReport extends RowsReport {
  /** Views that SQL cannot compute. */
  readonly left: readonly LeftView[];
}

export interface LeftView {
  /** `name@version` */
  readonly view: string;
  /** Why, e.g. `odd#1 is a closure`. */
  readonly reason: string;
}

/**
 * Compares the offline rows of a finished replay with a naive recomputation in SQL over the
 * committed records of its sources. Its files lie in a folder of their own meanwhile.
 */
export async function recomputeRun(run: RunToRecompute): Promise<RecomputeReport> {
  const { plan, stack, points, seed = 1, rowsOf, ...rest } = run;
  const stored = viewsOf(plan).filter(({ stores }) => stores.includes("offline"));
  const views = stored.filter((view) => gapOf(plan, view) === null);
  const left = stored.flatMap((view): LeftView[] => {
    const reason = gapOf(plan, view);
    return reason === null ? [] : [{ view: viewId(view), reason }];
  });
  const folder = await mkdtemp(join(tmpdir(), "millrace-recomputed-"));
  const reports: RowsReport[] = [];
  const { broker, registry } = stack;
  const offline = stack.offline.of(topologyOf(plan));
  const files = stack.files === stack.offline ? offline : stack.files;
  try {
    for (const [index, view] of views.entries()) {
      const source = plan.sources.find(({ topic }) => topic === view.source);
      if (source === undefined) throw new RangeError(`${viewId(view)} has no source`);
      const path = join(folder, `${view.name}-v${view.version}.tsv`);
      const events = await writeSourceEvents({ broker, registry, plan, view, source, path });
      const share = (part: number) => Math.floor((points * part) / views.length);
      const rows = rowsOf?.(view);
      reports.push(
        await checkRows({
          ...{ ...rest, offline, files, view, events, seed, folder },
          ...(rows !== undefined && { rows }),
          points: share(index + 1) - share(index),
        }),
      );
      await rm(path, { force: true });
    }
    return { ...joinReports(reports), left };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function gapOf({ sources, steps }: Plan, view: FeatureViewSpec): string | null {
  const source = sources.find(({ topic }) => topic === view.source);
  if (source !== undefined) return recomputeGap(view, source.layout);
  const yielding = steps.filter((step) => nameOfStep(step) === view.source);
  const gaps = yielding.flatMap((step) => sqlGapOf(step) ?? []);
  return `of ${view.source}: ${gaps[0] ?? "nothing yields its records"}`;
}
