import { type ResolvedConfig, refuse } from "../../runtime/config.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";
import type { LoadedApplication } from "../run/claim.ts";

/** `millrace replay`: fills the source topics, or with `--dry-run` says what it would send. */
export async function replay(
  application: LoadedApplication,
  resolved: ResolvedConfig,
  dryRun: boolean,
): Promise<number> {
  const { name, feeder } = application.spec;
  if (feeder === null) refuse([`${name} has no feeder: its producers fill its topics`]);
  else if (dryRun) {
    if (feeder.preview === undefined) refuse(["--dry-run: the feeder cannot say what it sends"]);
    else console.log(await feeder.preview(resolved.config));
    return exitCodes.done;
  }
  const { fillTopics } = await import("../run/fill-topics.ts");
  const interrupt = listenForInterrupt();
  try {
    const complete = await fillTopics(application, resolved.config, interrupt);
    if (!complete) console.error("Stopped; run again to continue.");
    return complete ? exitCodes.done : exitCodes.interrupted;
  } finally {
    interrupt.release();
  }
}
