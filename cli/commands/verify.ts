import { type DataManifest, readManifest } from "../../runtime/application/data-directory.ts";
import type { Stack } from "../../runtime/application/stack.ts";
import { type ResolvedConfig, refuse } from "../../runtime/config.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { exitCodes } from "../exit.ts";
import { checkRun } from "../flights/oracle/check-run.ts";
import { readLiveRecord } from "../live/live-record.ts";
import { checkStack, openStack } from "../open-stack.ts";
import { rereadText } from "../reread/print.ts";
import { type RereadReport, rereadRun } from "../reread/reread-run.ts";
import { readRunRecord } from "../run/run-record.ts";
import { verifyText } from "../verify/print.ts";
import { verifyRun } from "../verify/verify-run.ts";
import { writeOut } from "../write-out.ts";

/**
 * `millrace verify`: exits 1 naming what is missing or wrong.
 *
 * @param points - look-ups to recompute in SQL over the raw file.
 */
export async function verify(
  resolved: ResolvedConfig,
  points: number,
  options: { readonly json?: boolean; readonly reread?: boolean },
): Promise<number> {
  const { data } = resolved.config;
  const manifest = await readManifest(data);
  if (manifest === null) throw new MillraceError("DATA_MISSING", { directory: data });
  checkStack(manifest, resolved.config);
  if (points > 0 && manifest.live === true) {
    refuse(["--points: a live run has no raw file to recompute from: leave it out"]);
  }
  const stack = await openStack(resolved.config, { exclusive: true });
  try {
    const { broker, registry, offline } = stack;
    if (points > 0 && stack.files !== offline) {
      throw new MillraceError("OFFLINE_ELSEWHERE", { stack: stack.kind });
    }
    const report = await verifyRun({ plan, broker, registry, offline });
    const range = { from: Date.parse(manifest.from), to: Date.parse(manifest.to) };
    const recomputed = await recompute(stack, { ...range, inject: manifest.inject, points });
    const reread = options.reread === true ? await readAgain(stack, manifest, data) : null;
    const differences = reread?.topics.flatMap((topic) => topic.differences) ?? [];
    const problems = [...report.problems, ...recomputed.problems, ...differences];
    const rereadPart = reread === null ? "" : `${rereadText(reread)}\n\n`;
    writeOut(
      options.json
        ? JSON.stringify({ ...report, ...recomputed, reread, problems }, null, 2)
        : `${recomputed.text}${rereadPart}${verifyText({ ...report, problems })}`,
    );
    return problems.length === 0 ? exitCodes.done : exitCodes.failed;
  } finally {
    await stack.close();
  }
}

/** Computes the run again, beside its data. */
async function readAgain(
  stack: Stack,
  manifest: DataManifest,
  directory: string,
): Promise<RereadReport> {
  const live = manifest.live === true;
  const ended = live
    ? (await readLiveRecord(directory))?.ended === true
    : (await readRunRecord(directory)).completedTo === Date.parse(manifest.to);
  return await rereadRun({ plan, stack, live, ended, directory });
}

/** Look-ups against SQL over the raw file, when points are asked for. */
async function recompute(
  stack: Stack,
  run: { from: number; to: number; inject: readonly string[]; points: number },
): Promise<{ checked: number; problems: string[]; text: string }> {
  if (run.points === 0) return { checked: 0, problems: [], text: "" };
  const { checked, mismatched, mismatches } = await checkRun({ plan, stack, ...run });
  const shown = checked.toLocaleString("en-US");
  return {
    checked,
    problems: mismatches.map(
      ({ view, key, q, column, expected, found }) =>
        `${view} of ${key} at ${new Date(q).toISOString()}: ${column} is ${found}, not ${expected}`,
    ),
    text: `${shown} look-ups recomputed in SQL over the raw file: ${mismatched} differ\n\n`,
  };
}
