import { injectionText } from "../../examples/flights/injections.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { claimDataDirectory } from "../../runtime/hosting/data-directory.ts";
import type { Plan } from "../../schemas/plan.ts";

/**
 * Writes down what the data directory is for, or checks that this start may go on in it. The caller
 * holds its lock.
 *
 * @throws {MillraceError} DATA_PLAN_CHANGED, DATA_RANGE_CHANGED, DATA_RANGE_SHORTER.
 */
export async function claimData(plan: Plan, config: Config): Promise<void> {
  await claimDataDirectory(config.data, {
    plan: plan.name,
    fingerprint: plan.fingerprint,
    from: new Date(config.from).toISOString(),
    to: new Date(config.to).toISOString(),
    ...(config.stack === "embedded" ? {} : { stack: config.stack }),
    inject: config.inject.length === 0 ? [] : [injectionText(config.inject, config.seed)],
  });
}
