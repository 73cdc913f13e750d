import type { ResolvedConfig } from "../../runtime/config.ts";
import { exitCodes, type Interrupt, listenForInterrupt } from "../exit.ts";
import type { RunOutcome } from "../run/open-run.ts";

/** `millrace run`: the first line is out before anything heavy is loaded. */
export async function run(resolved: ResolvedConfig): Promise<number> {
  const { shown, config } = resolved;
  const injected = config.inject.length === 0 ? "" : `, with ${config.inject.join(", ")}`;
  const what = config.live
    ? liveLine(resolved)
    : `from ${shown.from} to ${shown.to} (UTC)${injected}`;
  const interrupt = listenForInterrupt();
  console.log(`Millrace: flights ${what}, data in ${shown.data}`);
  try {
    const outcome = await runEither(resolved, interrupt);
    if (outcome === "interrupted") console.error("Stopped; run again to continue.");
    return exitCodes[outcome];
  } finally {
    interrupt.release();
  }
}

async function runEither(resolved: ResolvedConfig, interrupt: Interrupt): Promise<RunOutcome> {
  if (resolved.config.live) {
    return (await import("../live/run-live.ts")).runLive(resolved, interrupt);
  }
  return (await import("../run/run.ts")).runFlights(resolved, interrupt);
}

function liveLine({ shown, config }: ResolvedConfig): string {
  const load = config.rate === 0 ? "as producers send them" : `at ${shown.rate} events/s`;
  return `live, ${load}, ${config.for === null ? "until Ctrl-C" : `for ${shown.for}`}`;
}
