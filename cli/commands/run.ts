import type { ResolvedConfig } from "../../runtime/config.ts";
import type { ApplicationSpec } from "../../runtime/hosting/application-spec.ts";
import { exitCodes, type Interrupt, listenForInterrupt } from "../exit.ts";
import { refuseUnwritable } from "../run/check-run-settings.ts";
import type { LoadedApplication } from "../run/claim.ts";
import type { RunEnd } from "../run/open-run.ts";

/** `millrace run`: the first line is out before anything heavy is loaded. */
export async function run(
  application: LoadedApplication,
  resolved: ResolvedConfig,
): Promise<number> {
  const { shown, config } = resolved;
  const { spec } = application;
  const interrupt = listenForInterrupt();
  const what = spec.title?.(shown, config) ?? defaultTitle(spec, resolved);
  console.log(`Millrace: ${spec.name} ${what}, data in ${shown["data"]}`);
  try {
    refuseUnwritable(config.data);
    const { outcome } = await runEither(application, resolved, interrupt);
    if (outcome === "interrupted") console.error("Stopped; run again to continue.");
    return exitCodes[outcome];
  } finally {
    interrupt.release();
  }
}

async function runEither(
  application: LoadedApplication,
  resolved: ResolvedConfig,
  interrupt: Interrupt,
): Promise<RunEnd> {
  const { createProgress } = await import("../run/progress.ts");
  const progress = createProgress(process.stdout);
  const print = (text: string) => void process.stdout.write(text);
  const request = { application, resolved, interrupt, progress, print };
  if (resolved.config.live) return (await import("../live/live-run.ts")).runLive(request);
  return (await import("../run/replay-run.ts")).runReplay(request);
}

function defaultTitle({ feeder }: ApplicationSpec, { shown, config }: ResolvedConfig): string {
  if (config.live) {
    const end = config.for === null ? "until Ctrl-C" : `for ${shown["for"]}`;
    if (config.stack === "embedded" && feeder?.live === undefined && config.listen === null) {
      const doors =
        "the embedded stack has no port for producers: --listen opens one for HTTP, " +
        "--stack local and cluster have Kafka's";
      return `live, ${end}, but no feeder sends, and ${doors}`;
    }
    return `live, as producers send, ${end}`;
  }
  return feeder === null ? "as its topics stand" : "as its feeder sends";
}
