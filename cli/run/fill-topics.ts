import { openFlights } from "../../examples/flights/open-flights.ts";
import { replayFlights } from "../../examples/flights/replay.ts";
import type { ReplaySegment } from "../../examples/flights/replay-steps.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { Plan } from "../../schemas/plan.ts";
import { openStack } from "../../stacks/open-stack.ts";
import type { Interrupt } from "../exit.ts";
import { claimData } from "./claim.ts";
import { prepareData } from "./fresh.ts";
import { createProgress } from "./progress.ts";

/** Sends the flights of a range and nothing else; a run goes on from there. False when stopped. */
export async function fillTopics(
  plan: Plan,
  config: Config,
  segment: ReplaySegment,
  injectText: string,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<boolean> {
  await prepareData(config);
  const progress = createProgress(process.stdout);
  const stack = await openStack(config, { exclusive: true });
  try {
    await claimData(plan, config);
    interrupt.begin();
    const inputs = plan.topics.filter(({ role }) => role === "source" || role === "watermarks");
    await stack.broker.createTopics(inputs);
    const report = await replayFlights({
      broker: stack.broker,
      registry: stack.registry,
      flights: openFlights(stack.files),
      partitions: plan.partitions,
      ...segment,
      injectText,
      onProgress: ({ eventTime, share, sentNow }) =>
        progress.update({ eventTime, share, records: sentNow, auc: null, phase: "replaying" }),
      signal: interrupt.signal,
    });
    progress.stop();
    for (const [topic, sent] of Object.entries(report.sent)) {
      console.log(`${topic}: ${sent.toLocaleString("en-US")} records`);
    }
    console.log(`${report.sentNow.toLocaleString("en-US")} of them sent now.`);
    return report.complete;
  } finally {
    progress.stop();
    await stack.close();
  }
}
