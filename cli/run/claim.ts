import type { Broker } from "../../broker/broker.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { ApplicationSpec, EventRange } from "../../runtime/hosting/application-spec.ts";
import {
  claimDataDirectory,
  type DataManifest,
  fingerprintsOf,
} from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { planTopic } from "../../topologies/dsl/compile/topics.ts";

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
  { broker }: Pick<Stack, "broker">,
  { from, to }: EventRange,
  live = false,
): Promise<void> {
  const claim = {
    application: { name: spec.name, module },
    plans: fingerprintsOf(spec.topologies),
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    ...(config.stack === "embedded" ? {} : { stack: config.stack }),
    identity: live ? [] : (spec.feeder?.identity?.(config) ?? []),
    hasRange: "from" in config,
    ...(live ? { live } : {}),
  };
  await claimDataDirectory(config.data, claim, (found) => isUntouched(broker, found, spec));
}

/**
 * Whether nothing has run in a data directory that was claimed: its topologies have written nothing
 * but what they are, and what a feeder would send has not been sent.
 */
async function isUntouched(
  broker: Broker,
  { plans }: DataManifest,
  { feeder, topologies }: ApplicationSpec,
): Promise<boolean> {
  const sources = topologies.flatMap((plan) => plan.sources.map(({ topic }) => topic));
  const isWritten = (topic: string) => {
    if (sources.includes(topic)) return feeder !== null;
    return Object.keys(plans).some((name) => topic.startsWith(`${name}.`)) && !isPlan(topic);
  };
  const topics = (await broker.describeTopics()).filter(({ name }) => isWritten(name));
  const ends = await broker.listOffsets(
    topics.flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => {
        return { topic, partition, at: "latest" as const };
      }),
    ),
  );
  return ends.every((end) => end === 0);
}

const isPlan = (topic: string) => topic.endsWith(planTopic(""));
