import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import type { CheckedValues } from "../../runtime/config.ts";
import { liveMostAheadMs } from "../../runtime/engine/live/source-decisions.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Plan } from "../../schemas/plan.ts";

/** Longest wait for records that may lie before one, ms: what waits stands in memory. */
const mostWaitMs = 3_600_000;

/** What is wrong with the settings of any run: topics to slow, the summary's file. */
export function checkRunSettings(
  plans: readonly Plan[],
  { values, origins }: CheckedValues,
): string[] {
  const { slow, summary, data, clickhouseDatabase } = values;
  const problems: string[] = [];
  const topics = plans.flatMap(({ sources }) => sources.map(({ topic }) => topic));
  for (const topic of slow?.keys() ?? []) {
    if (topics.includes(topic)) continue;
    const near = nearest(topic, topics) || `; there are ${topics.join(", ")}`;
    problems.push(`${origins.get("slow")}: ${topic} is no source topic${near}`);
  }
  if (plans.length > 1 && clickhouseDatabase?.includes("{topology}") === false) {
    const origin = origins.get("clickhouseDatabase");
    problems.push(`${origin}: each topology needs a database of its own: put {topology} in it`);
  }
  if ((values.maxAhead ?? 0) > liveMostAheadMs) {
    problems.push(`${origins.get("maxAhead")}: write at most 1h`);
  }
  if ((values.maxWait ?? 0) > mostWaitMs) {
    problems.push(`${origins.get("maxWait")}: write at most 1h`);
  }
  const unwritable = summary == null ? null : fileProblem(summary, data);
  if (unwritable !== null) problems.push(`${origins.get("summary")}: ${unwritable}`);
  return problems;
}

/** Why a file cannot be written there: better known before a run than behind it. */
function fileProblem(path: string, data: string | undefined): string | null {
  if (data !== undefined && resolve(path).startsWith(`${resolve(data)}${sep}`)) {
    return `${path} lies in the data directory, which holds a run's files alone: name another one`;
  }
  if (isDirectory(path)) return `${path} is a directory: name a file`;
  const folder = dirname(path);
  return isDirectory(folder) ? null : `there is no directory ${folder}`;
}

/**
 * Whether a directory can be written, or made where it is to stand.
 *
 * @throws {MillraceError} DATA_UNWRITABLE saying why not.
 */
export function refuseUnwritable(directory: string): void {
  let standing = resolve(directory);
  while (!existsSync(standing)) standing = dirname(standing);
  const refused = (reason: string) => new MillraceError("DATA_UNWRITABLE", { directory, reason });
  if (!isDirectory(standing)) throw refused(`${standing} is no directory`);
  try {
    accessSync(standing, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refused(`${standing} may not be written (${code})`);
  }
}

/** False where something stands in the way of the path, too. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}
