import { type RereadLook, type RereadReport, rereadRun } from "../../audit/reread/reread-run.ts";
import { type VerifyReport, verifyRun } from "../../audit/verify-run.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import type { CheckReport } from "../../runtime/hosting/application-spec.ts";
import {
  checkFormat,
  type DataManifest,
  readManifest,
} from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { jsonText } from "../../schemas/plain-text.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { checkStack, openStack } from "../../stacks/open-stack.ts";
import { namedApplication } from "../application/find-application.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";
import { checkAsked, plansThere } from "../inspect/plans-there.ts";
import { readLiveRecord } from "../live/live-record.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { closingAfter } from "../run/closing-after.ts";
import { createProgress, type Progress } from "../run/progress.ts";
import { readRunRecord } from "../run/run-record.ts";
import { verifyText } from "../verify/print.ts";
import { recompute } from "../verify/recompute.ts";
import { rereadText } from "../verify/reread-text.ts";
import { writeOut } from "../write-out.ts";

interface VerifyOptions {
  /** JSON instead of text. @default false */
  readonly json?: boolean;
  /** Whether it also computes the run again. @default false */
  readonly reread?: boolean;
}

/**
 * `millrace verify`: exits 1 naming what is missing or wrong, 130 on a Ctrl-C. How far it is stands
 * on standard error.
 */
export async function verify(
  found: LoadedApplication | null,
  resolved: ResolvedConfig,
  options: VerifyOptions,
): Promise<number> {
  const { data } = resolved.config;
  const manifest = await readManifest(data);
  if (manifest === null) throw new MillraceError("DATA_MISSING", { directory: data });
  checkStack(manifest, resolved.config);
  checkFormat(data, manifest);
  const application = namedApplication(found, data);
  checkAsked({ directory: data, found: manifest, spec: application.spec });
  const interrupt = listenForInterrupt();
  const progress = createProgress(process.stderr);
  try {
    return await closingAfter(async (closing) => {
      closing.push(async () => progress.stop());
      const stack = await openStack(resolved.config, { exclusive: true });
      closing.push(() => stack.close());
      interrupt.begin();
      const { signal } = interrupt;
      return await check({ application, resolved, stack, manifest, progress, signal }, options);
    });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    console.error("Stopped.");
    return exitCodes.interrupted;
  } finally {
    interrupt.release();
  }
}

/** A run that is verified; shows how far that is, and stops on a Ctrl-C. */
interface Verified {
  readonly application: LoadedApplication;
  readonly resolved: ResolvedConfig;
  readonly stack: Stack;
  readonly manifest: DataManifest;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

type OnStep = (share: number, what: string) => void;

async function check(run: Verified, options: VerifyOptions): Promise<number> {
  const { stack, progress, signal } = run;
  const plans = await running(run);
  const onStep: OnStep = (share, what) => {
    signal.throwIfAborted();
    progress.step(share, what);
  };
  const live = run.manifest.live === true;
  const report = await recount(plans, stack, live, onStep);
  const own = await ownChecks(run, plans, onStep);
  const reread = options.reread === true ? await readAgain(run, report, onStep) : null;
  progress.stop();
  const differences = reread?.topics.flatMap((topic) => topic.differences) ?? [];
  const ownProblems = own.flatMap((each) => each.problems);
  const problems = [...report.problems, ...ownProblems, ...differences];
  const facts = Object.assign({}, ...own.map((each) => each.facts)) as CheckReport["facts"];
  const ownPart = own.map(({ text }) => `${text}\n\n`).join("");
  const rereadPart = reread === null ? "" : `${rereadText(reread)}\n\n`;
  writeOut(
    options.json
      ? jsonText({ ...report, ...facts, reread, problems })
      : `${ownPart}${rereadPart}${verifyText({ ...report, problems })}`,
  );
  return problems.length === 0 ? exitCodes.done : exitCodes.failed;
}

/** The plans as which the topologies run. */
function running({ application, stack, manifest: found, resolved }: Verified): Promise<Plan[]> {
  const asked = { directory: resolved.config.data, found, spec: application.spec };
  return plansThere(asked, stack.broker, true);
}

/** The reports of all topologies as one. */
async function recount(
  plans: readonly Plan[],
  { broker, registry, offline }: Stack,
  live: boolean,
  onStep: OnStep,
): Promise<VerifyReport> {
  const reports: VerifyReport[] = [];
  for (const plan of plans) {
    const own = offline.of(topologyOf(plan));
    reports.push(await verifyRun({ plan, broker, registry, offline: own, live, onStep }));
  }
  return {
    sources: reports.flatMap(({ sources }) => sources),
    scorings: reports.flatMap(({ scorings }) => scorings),
    tables: reports.flatMap(({ tables }) => tables),
    problems: reports.flatMap(({ problems }) => problems),
  };
}

/**
 * Features against SQL, by the plans that wrote them and hold what they refused; and what the
 * application checks besides, by its own plans.
 */
async function ownChecks(
  { application, resolved, stack, manifest }: Verified,
  running: readonly Plan[],
  onStep: OnStep,
): Promise<CheckReport[]> {
  const { checks, topologies } = application.spec;
  const range = { from: Date.parse(manifest.from), to: Date.parse(manifest.to) };
  const { identity, live = false } = manifest;
  const reports: CheckReport[] = [];
  for (const one of [recompute, ...checks]) {
    const found = await one({
      ...{ plans: one === recompute ? running : topologies, stack, config: resolved.config },
      ...{ live, range, identity, onStep },
    });
    if (found !== null) reports.push(found);
  }
  return reports;
}

/** Computes the run again, beside its data. */
async function readAgain(
  run: Verified,
  { sources }: VerifyReport,
  onStep: OnStep,
): Promise<RereadReport> {
  const { resolved, stack, manifest, progress, signal } = run;
  const directory = resolved.config.data;
  const live = manifest.live === true;
  const [from, to] = [Date.parse(manifest.from), Date.parse(manifest.to)];
  const ended = live
    ? // What awaits the next run is read again, too.
      (await readLiveRecord(directory))?.ended === true &&
      sources.every((each) => each.awaiting === 0)
    : (await readRunRecord(directory)).completedTo === to;
  const onLook = ({ eventTime, records }: RereadLook) => {
    const share = Math.min(1, Math.max(0, (eventTime - from) / (to - from)));
    progress.update({
      ...{ eventTime, share, leftMs: null, records, auc: null },
      phase: "reading again",
    });
  };
  const reports: RereadReport[] = [];
  for (const plan of await running(run)) {
    const options = { plan, stack, live, ended, directory, onLook, onStep, signal };
    reports.push(await rereadRun(options));
  }
  return {
    topics: reports.flatMap(({ topics }) => topics),
    begins: reports.flatMap(({ begins }) => begins),
    elapsedMs: reports.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0),
  };
}
