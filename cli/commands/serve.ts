import type { ResolvedConfig } from "../../runtime/config.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import { watchedStrands } from "../../runtime/hosting/strands.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { checkStack, openStack } from "../../stacks/open-stack.ts";
import { exitCodes, listenForInterrupt } from "../exit.ts";
import { checkAsked, plansThere } from "../inspect/plans-there.ts";
import type { LoadedApplication } from "../run/claim.ts";
import { closingAfter } from "../run/closing-after.ts";
import { createLog } from "../run/log.ts";
import { listeningLines, openDoor } from "../serve/open-door.ts";

/** How often it is looked whether views that are being filled have caught up, ms. */
const lookEveryMs = 2_000;

const usual = { host: "127.0.0.1", port: 8080 };

/** `millrace serve`: a gateway without a run of its own, until Ctrl-C. */
export async function serve(
  { spec }: LoadedApplication,
  { config, shown }: ResolvedConfig,
): Promise<number> {
  const interrupt = listenForInterrupt();
  console.log(`Millrace: ${spec.name} is served, data in ${shown["data"]}`);
  try {
    await closingAfter(async (closing) => {
      const manifest = await readManifest(config.data);
      if (manifest !== null) {
        checkStack(manifest, config);
        checkAsked({ directory: config.data, found: manifest, spec });
      } else if (config.stack === "embedded") {
        throw new MillraceError("DATA_MISSING", { directory: config.data });
      }
      const stack = await openStack(config, { exclusive: false });
      closing.push(() => stack.close());
      if (manifest !== null) {
        await plansThere({ directory: config.data, found: manifest, spec }, stack.broker, true);
      }
      const plans: Plan[] = [];
      const looks = spec.topologies.map((plan) => watchedStrands(stack.broker, plan));
      const look = async () => {
        const found = await Promise.all(looks.map((each) => each()));
        plans.splice(0, plans.length, ...found.flat());
      };
      await look();
      let away: string[] = [];
      const timer = setInterval(() => {
        look().then(
          () => {
            away = [];
          },
          () => {
            away = ["Kafka"];
          },
        );
      }, lookEveryMs);
      closing.push(async () => clearInterval(timer));
      const log = createLog(config.logLevel);
      const waitingFor = () => away;
      const options = { config, plans, stack, waitingFor, ofProcess: true, log };
      const gateway = await openDoor(config.listen ?? usual, options);
      closing.push(() => gateway.close());
      for (const line of listeningLines(gateway)) console.log(line);
      interrupt.begin();
      await new Promise<void>((resolve) => {
        interrupt.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    });
    return exitCodes.done;
  } finally {
    interrupt.release();
  }
}
