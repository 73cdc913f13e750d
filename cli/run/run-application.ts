import type { Config } from "../../runtime/config/settings.ts";
import { type ResolvedConfig, refuse, resolveConfig } from "../../runtime/config.ts";
import {
  type ApplicationSpec,
  application,
  isApplication,
} from "../../runtime/hosting/application-spec.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import type { Plan } from "../../schemas/plan.ts";
import { checkRunSettings, refuseUnwritable } from "./check-run-settings.ts";
import type { LoadedApplication } from "./claim.ts";
import type { RunEnd, RunRequest } from "./open-run.ts";
import type { Progress, ProgressState } from "./progress.ts";

/** Where a program finds its servers and its data. */
export interface StackOptions {
  /** @default "embedded" */
  readonly stack?: Config["stack"];
  /** Data directory, owner-only. @default ".millrace/embedded" and so on */
  readonly data?: string;
  /**
   * Any other setting by its name in `docs/configuration.md`, those of the application among them.
   * Variables and `millrace.config.json` count as on the command line.
   * @default {}
   */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface RunOptions extends StackOptions {
  /** A replay of what stands or is fed, or records as they come. @default "replay" */
  readonly mode?: "replay" | "live";
  /** Commits what is done and stops; a later run goes on there. @default never */
  readonly signal?: AbortSignal;
  /** Told twice a second how far it is. @default nobody */
  readonly onProgress?: (progress: ProgressState) => void;
  /** Told what a person should know, e.g. that a store is away. @default nobody */
  readonly onNotice?: (line: string) => void;
}

/**
 * Runs an application to its end: a replay to the end of its range, a live run for its setting
 * `for`, either until the signal. Prints nothing. Resolves when everything is stored and closed.
 *
 * @param subject - an application, topologies, or the path of a module that exports them; several
 * workers (`settings: { workers }`) need the path.
 * @throws {MillraceError} what a run on the command line ends with.
 * @example const { summary } = await run(topology("payments", { scores }), { data: "data" });
 */
export async function run(
  subject: ApplicationSpec | Plan | readonly Plan[] | string | URL,
  options: RunOptions = {},
): Promise<RunEnd> {
  const loaded = await loadedFrom(subject);
  const resolved = resolve(loaded.spec, options, options.mode === "live");
  if (resolved.config.workers > 1 && loaded.module === null) {
    refuse(["workers: several of them load the application themselves: run it by its path"]);
  }
  refuseUnwritable(resolved.config.data);
  const { signal = new AbortController().signal, onProgress, onNotice } = options;
  const progress: Progress = {
    update: (state) => onProgress?.(state),
    step: () => {},
    say: (line) => onNotice?.(line),
    stop: () => {},
  };
  const request: RunRequest = {
    ...{ application: loaded, resolved, progress, print: () => {} },
    interrupt: { signal, begin: () => {}, insist: () => {} },
  };
  if (resolved.config.live) return await (await import("../live/live-run.ts")).runLive(request);
  return await (await import("./replay-run.ts")).runReplay(request);
}

/**
 * Opens the servers of a stack, or the embedded ones in its data directory, which nobody else may
 * use until it is closed.
 *
 * @throws {MillraceError} DATA_LOCKED when a run holds the directory, STACK_UNREACHABLE.
 */
export async function openStack(options: StackOptions = {}): Promise<Stack> {
  const { config } = resolve(null, options, false);
  refuseUnwritable(config.data);
  const stacks = await import("../../stacks/open-stack.ts");
  return await stacks.openStack(config, { httpPort: config.http, exclusive: true });
}

async function loadedFrom(
  subject: ApplicationSpec | Plan | readonly Plan[] | string | URL,
): Promise<LoadedApplication> {
  if (typeof subject === "string" || subject instanceof URL) {
    const { fileURLToPath } = await import("node:url");
    const { loadApplication } = await import("../application/load-application.ts");
    return await loadApplication(subject instanceof URL ? fileURLToPath(subject) : subject);
  }
  if (isApplication(subject)) return { spec: subject, module: null };
  const topologies = [subject].flat() as readonly Plan[];
  const name = topologies.map((plan) => plan.name).join("+");
  return { spec: application({ name, topologies }), module: null };
}

function resolve(
  spec: ApplicationSpec | null,
  options: StackOptions,
  live: boolean,
): ResolvedConfig {
  const { stack, data, settings = {} } = options;
  const flags: Record<string, unknown> = { metrics: "off", ...settings };
  if (stack !== undefined) flags["stack"] = stack;
  if (data !== undefined) flags["data"] = data;
  if (live) flags["live"] = true;
  return resolveConfig({
    own: spec?.settings ?? {},
    flags,
    problems: [],
    check: (checked) =>
      spec === null ? [] : [...spec.check(checked), ...checkRunSettings(spec.topologies, checked)],
  });
}
