import { type RereadLook, type RereadReport, rereadRun } from "../../audit/reread/reread-run.ts";
import { verifyRun } from "../../audit/verify-run.ts";
import { checkRun } from "../../examples/flights/oracle/check-run.ts";
import { type ResolvedConfig, refuse } from "../../runtime/config.ts";
import {
  checkFormat,
  type DataManifest,
  readManifest,
} from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { checkStack, openStack } from "../../stacks/open-stack.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";
import { readLiveRecord } from "../live/live-record.ts";
import { closingAfter } from "../run/closing-after.ts";
import { createProgress, type Progress } from "../run/progress.ts";
import { readRunRecord } from "../run/run-record.ts";
import { verifyText } from "../verify/print.ts";
import { rereadText } from "../verify/reread-text.ts";
import { writeOut } from "../write-out.ts";

/**
 * `millrace verify`: exits 1 naming what is missing or wrong, 130 on a Ctrl-C. How far it is stands
 * on standard error.
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
  checkFormat(data, manifest);
  if (points > 0 && manifest.live === true) {
    refuse(["--points: a live run has no raw file to recompute from: leave it out"]);
  }
  const interrupt = listenForInterrupt();
  const progress = createProgress(process.stderr);
  const watched: Watched = { progress, signal: interrupt.signal };
  try {
    return await closingAfter(async (closing) => {
      closing.push(async () => progress.stop());
      const stack = await openStack(resolved.config, { exclusive: true });
      closing.push(() => stack.close());
      if (points > 0 && stack.files !== stack.offline) {
        throw new MillraceError("OFFLINE_ELSEWHERE", { stack: stack.kind });
      }
      interrupt.begin();
      return await check(stack, manifest, data, points, options, watched);
    });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    console.error("Stopped.");
    return exitCodes.interrupted;
  } finally {
    interrupt.release();
  }
}

/** Shows how far it is, and stops on a Ctrl-C. */
interface Watched {
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

async function check(
  stack: Stack,
  manifest: DataManifest,
  data: string,
  points: number,
  options: { readonly json?: boolean; readonly reread?: boolean },
  watched: Watched,
): Promise<number> {
  const { broker, registry, offline } = stack;
  const onStep = (share: number, what: string) => {
    watched.signal.throwIfAborted();
    watched.progress.step(share, what);
  };
  const report = await verifyRun({ plan, broker, registry, offline, onStep });
  const range = { from: Date.parse(manifest.from), to: Date.parse(manifest.to) };
  if (points > 0) onStep(0, `recomputing ${points.toLocaleString("en-US")} look-ups`);
  const { text, ...recomputed } = await recompute(stack, {
    ...range,
    inject: manifest.inject,
    points,
  });
  const reread =
    options.reread === true ? await readAgain(stack, manifest, data, onStep, watched) : null;
  watched.progress.stop();
  const differences = reread?.topics.flatMap((topic) => topic.differences) ?? [];
  const problems = [...report.problems, ...recomputed.problems, ...differences];
  const rereadPart = reread === null ? "" : `${rereadText(reread)}\n\n`;
  writeOut(
    options.json
      ? JSON.stringify({ ...report, ...recomputed, reread, problems }, null, 2)
      : `${text}${rereadPart}${verifyText({ ...report, problems })}`,
  );
  return problems.length === 0 ? exitCodes.done : exitCodes.failed;
}

/** Computes the run again, beside its data. */
async function readAgain(
  stack: Stack,
  manifest: DataManifest,
  directory: string,
  onStep: (share: number, what: string) => void,
  { progress, signal }: Watched,
): Promise<RereadReport> {
  const live = manifest.live === true;
  const [from, to] = [Date.parse(manifest.from), Date.parse(manifest.to)];
  const ended = live
    ? (await readLiveRecord(directory))?.ended === true
    : (await readRunRecord(directory)).completedTo === to;
  const onLook = ({ eventTime, records }: RereadLook) => {
    const share = Math.min(1, Math.max(0, (eventTime - from) / (to - from)));
    progress.update({ eventTime, share, records, auc: null, phase: "reading again" });
  };
  return await rereadRun({ plan, stack, live, ended, directory, onLook, onStep, signal });
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
