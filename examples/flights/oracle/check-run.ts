import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { checkRows, joinReports, type RowsReport } from "../../../audit/recomputed/check-rows.ts";
import { aggregateKind } from "../../../processors/aggregate/registry.ts";
import type { Stack } from "../../../runtime/hosting/stack.ts";
import { type FeatureViewSpec, viewId } from "../../../schemas/feature-view.ts";
import type { Plan } from "../../../schemas/plan.ts";
import { viewsOf } from "../../../schemas/plan-facts.ts";
import { quoteText } from "../../../schemas/sql-text.ts";
import { flightFiles } from "../flights-file.ts";
import { eventsSql, type TopicDump, topicLines, writeEvents } from "./events-sql.ts";

export interface RunToCheck {
  readonly plan: Plan;
  readonly stack: Pick<Stack, "broker" | "registry" | "offline" | "files">;
  /** Event time that was run, UTC ms. */
  readonly from: number;
  readonly to: number;
  /** Injections of the run as written; some change delays. */
  readonly inject: readonly string[];
  readonly points: number;
  /** @default 1 */
  readonly seed?: number;
  /** SQL of the rows of a view. @default its table */
  readonly rowsOf?: (view: FeatureViewSpec, events: string) => string;
}

/**
 * Compares the offline rows of a finished run with a naive recomputation in SQL over the raw
 * Parquet file; order and event time of its records are taken from its topics. Its files lie in a
 * folder of their own meanwhile.
 */
export async function checkRun(run: RunToCheck): Promise<RowsReport> {
  const views = viewsOf(run.plan).filter((view) => view.stores.includes("offline"));
  const folder = await mkdtemp(join(tmpdir(), "millrace-oracle-"));
  const reports: RowsReport[] = [];
  try {
    const dumps = await dumpTopics(run, folder);
    for (const [index, view] of views.entries()) {
      const share = (part: number) => Math.floor((run.points * part) / views.length);
      const points = share(index + 1) - share(index);
      reports.push(await checkView({ ...run, points }, view, dumps, folder));
    }
    return joinReports(reports);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Order, event time and delays of the records of each source topic, as files. */
async function dumpTopics(
  { plan, stack, inject }: RunToCheck,
  folder: string,
): Promise<ReadonlyMap<string, TopicDump>> {
  const ownDelays = inject.some((each) => /shift-|permute@/.test(each));
  const dumps = new Map<string, TopicDump>();
  for (const source of plan.sources) {
    const path = join(folder, `${source.topic}.tsv`);
    const lines = topicLines(stack.broker, stack.registry, source, plan);
    await pipeline(lines, createWriteStream(path, { mode: 0o600 }));
    dumps.set(source.topic, { path, ownDelays });
  }
  return dumps;
}

async function checkView(
  { plan, stack, from, to, points, seed = 1, rowsOf }: RunToCheck,
  view: FeatureViewSpec,
  dumps: ReadonlyMap<string, TopicDump>,
  folder: string,
): Promise<RowsReport> {
  const offline = stack.offline.of(plan.name);
  const engine = stack.files === stack.offline ? offline : stack.files;
  const source = plan.sources.find(({ topic }) => topic === view.source);
  const dump = dumps.get(view.source);
  if (source === undefined || dump === undefined)
    throw new RangeError(`${viewId(view)} has no source`);
  const raw = join(folder, `events-${view.name}.tsv`);
  const files = flightFiles();
  const sql = await eventsSql(engine, files, source, { from, to }, dump);
  const events = await writeEvents(engine, raw, sql);
  // Every airport of the file, silent or not in the range.
  const airports = `(SELECT arraySort(groupUniqArray(assumeNotNull(origin)))
    FROM file(${quoteText(files.flights)}, Parquet))`;
  const rows = rowsOf?.(view, events);
  const report = await checkRows({
    ...{ offline, files: engine, view, definitions: aggregateKind, events, from, to, points },
    ...{ seed, folder, keyValues: () => airports, ...(rows !== undefined && { rows }) },
  });
  await rm(raw, { force: true });
  return report;
}
