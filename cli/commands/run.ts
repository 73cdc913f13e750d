import type { ResolvedConfig } from "../../runtime/config.ts";
import { exitCodes, interruptSignal } from "../exit.ts";

/** `millrace run`: the first line is out before anything heavy is loaded. */
export async function run(resolved: ResolvedConfig): Promise<number> {
  const { shown, config } = resolved;
  const injected = config.inject.length === 0 ? "" : `, with ${config.inject.join(", ")}`;
  console.log(
    `Millrace: flights from ${shown.from} to ${shown.to} (UTC)${injected}, data in ${shown.data}`,
  );
  const interrupt = interruptSignal();
  try {
    const { runFlights } = await import("../run/run.ts");
    const outcome = await runFlights(resolved, interrupt.signal);
    if (outcome === "interrupted") console.error("Stopped; run again to continue.");
    return exitCodes[outcome];
  } finally {
    interrupt.release();
  }
}
