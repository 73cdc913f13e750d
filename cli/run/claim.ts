import type { Config } from "../../runtime/config/settings.ts";
import type { ApplicationSpec, EventRange } from "../../runtime/hosting/application-spec.ts";
import { claimDataDirectory, fingerprintsOf } from "../../runtime/hosting/data-directory.ts";

/** An application, and the module that it was loaded from. */
export interface LoadedApplication {
  readonly spec: ApplicationSpec;
  /** Absolute path; null: a program made it. */
  readonly module: string | null;
}

/**
 * Writes down what the data directory is for, or checks that this start may go on in it. The caller
 * holds its lock.
 *
 * @throws {MillraceError} DATA_APPLICATION_CHANGED, DATA_MODE_CHANGED, DATA_RANGE_CHANGED,
 * DATA_RANGE_SHORTER.
 */
export async function claimData(
  { spec, module }: LoadedApplication,
  config: Config,
  { from, to }: EventRange,
  live = false,
): Promise<void> {
  await claimDataDirectory(config.data, {
    application: { name: spec.name, module },
    plans: fingerprintsOf(spec.topologies),
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    ...(config.stack === "embedded" ? {} : { stack: config.stack }),
    identity: live ? [] : (spec.feeder?.identity?.(config) ?? []),
    ...(live ? { live } : {}),
  });
}
