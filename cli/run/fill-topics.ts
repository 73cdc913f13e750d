import type { Config } from "../../runtime/config/settings.ts";
import { createSources } from "../../runtime/hosting/create-sources.ts";
import { openStack } from "../../stacks/open-stack.ts";
import type { Interrupt } from "../exit.ts";
import { claimData, type LoadedApplication } from "./claim.ts";
import { prepareData } from "./fresh.ts";
import { createProgress } from "./progress.ts";

/** Sends what the feeder replays and nothing else; a run goes on from there. False: stopped. */
export async function fillTopics(
  application: LoadedApplication,
  config: Config,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<boolean> {
  const { feeder, topologies: plans } = application.spec;
  if (feeder === null) throw new RangeError("an application without a feeder fills no topics");
  await prepareData(config);
  const progress = createProgress(process.stdout);
  const stack = await openStack(config, { exclusive: true });
  try {
    await claimData(application, config, stack, feeder.range(config));
    interrupt.begin();
    await createSources(stack.broker, plans);
    const report = await feeder.replay({
      ...{ plans, stack, config, signal: interrupt.signal },
      onProgress: ({ eventTime, share, sentNow }) =>
        progress.update({
          ...{ eventTime, share, leftMs: null, records: sentNow, auc: null },
          phase: "replaying",
        }),
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
