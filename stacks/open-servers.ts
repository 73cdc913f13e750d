import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import type { ServerAccess } from "../runtime/config/server-access.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { openConfluentRegistry } from "../runtime/schema-registry/confluent.ts";
import { openClickHouse } from "../sinks/clickhouse/clickhouse.ts";
import { openRedisStore } from "../sinks/redis/redis.ts";
import { registryUrl } from "./local/apicurio.ts";
import { openArtifacts } from "./open-artifacts.ts";

/** What of a stack is the same wherever its servers run. */
export type ServerParts = Pick<
  Stack,
  "broker" | "registry" | "online" | "offline" | "artifacts" | "offlineAddress"
>;

/** Hands a part back and remembers to close it. */
export type Keep = <T extends { close(): Promise<void> }>(part: T) => T;

/** Opens clients of the four servers, and the store of artifacts that they or others keep. */
export async function openServers(
  access: ServerAccess,
  directory: string,
  artifactsAt: ArtifactsAccess,
  keep: Keep,
): Promise<ServerParts> {
  const broker = keep(await openKafkaBroker({ clientId: "millrace", ...access.kafka }));
  const registry = keep(openConfluentRegistry(access.registry));
  const online = keep(await openRedisStore(access.redis));
  const offline = keep(openClickHouse(access.clickhouse));
  const artifacts = await openArtifacts(directory, artifactsAt, offline);
  const offlineAddress = new URL(access.clickhouse.url).origin;
  return { broker, registry, online, offline, artifacts, offlineAddress };
}

/** How to reach servers of this machine without TLS or passwords. */
export function loopbackAccess(
  ports: Readonly<Record<"kafka" | "registry" | "redis" | "clickhouse", number>>,
  clickhouse: { readonly user: string; readonly password: string } | null = null,
): ServerAccess {
  return {
    kafka: { brokers: [`127.0.0.1:${ports.kafka}`] },
    registry: { url: registryUrl(ports.registry) },
    redis: { urls: [`redis://127.0.0.1:${ports.redis}`] },
    clickhouse: { url: `http://127.0.0.1:${ports.clickhouse}`, ...clickhouse },
  };
}
