import { type ArtifactsAccess, artifactsAccess } from "../runtime/config/artifacts-access.ts";
import type { ServerAccess } from "../runtime/config/server-access.ts";
import type { Config } from "../runtime/config/settings.ts";
import { refuse } from "../runtime/config.ts";
import type { DataManifest } from "../runtime/hosting/data-directory.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { MillraceError } from "../schemas/errors.ts";
import type { LocalServersOptions } from "./local/local-servers.ts";

/** What a run wants of its stack, over what a look needs. */
export interface OpenStackOptions {
  /** Port of ClickHouse's HTTP interface of the embedded stack. @default none */
  readonly httpPort?: number | null;
  /** Whether nobody else may use the data directory; the embedded stack is never shared. */
  readonly exclusive: boolean;
}

/** Opens the stack of the configuration; of the local servers, those that are down are started. */
export async function openStack(config: Config, options: OpenStackOptions): Promise<Stack> {
  const artifacts = artifactsOf(config);
  if (config.stack === "local") {
    const { openLocalStack } = await import("./local-stack.ts");
    return openLocalStack({ ...localServersOf(config), artifacts, exclusive: options.exclusive });
  }
  if (config.stack === "compose" || config.stack === "cluster") {
    const { openServersStack } = await import("./servers-stack.ts");
    const { data: directory, stack: kind } = config;
    const access = await serversOf(config);
    if (options.exclusive) await warnOfReadablePasswords(config, access);
    return openServersStack({ kind, access, artifacts, directory, exclusive: options.exclusive });
  }
  const { openEmbeddedStack } = await import("./embedded-stack.ts");
  return openEmbeddedStack({
    directory: config.data,
    artifacts,
    httpPort: options.httpPort ?? null,
    offlineMemoryBytes: config.offlineMemoryMb * 2 ** 20,
  });
}

/** The local servers that the configuration means. */
export function localServersOf(config: Config): LocalServersOptions {
  const { kafkaPort, registryPort, redisPort, clickhousePort } = config;
  return {
    directory: config.data,
    ports: {
      kafka: kafkaPort,
      registry: registryPort,
      redis: redisPort,
      clickhouse: clickhousePort,
    },
    offlineMemoryBytes: config.offlineMemoryMb * 2 ** 20,
  };
}

/** @throws {MillraceError} CONFIG_INVALID when they cannot stand where the configuration says. */
function artifactsOf(config: Config): ArtifactsAccess {
  const problems: string[] = [];
  const access = artifactsAccess(config, problems);
  refuse(problems);
  return access;
}

/** How to reach servers that others run: those of docker compose, or the ones configured. */
async function serversOf(config: Config): Promise<ServerAccess> {
  if (config.stack === "compose") {
    const { loopbackAccess } = await import("./open-servers.ts");
    const { defaultPorts } = await import("./local/default-ports.ts");
    return loopbackAccess({
      kafka: config.kafkaPort ?? defaultPorts.kafka,
      registry: config.registryPort ?? defaultPorts.registry,
      redis: config.redisPort ?? defaultPorts.redis,
      clickhouse: config.clickhousePort ?? defaultPorts.clickhouse,
    });
  }
  const { clusterAccess } = await import("../runtime/config/server-access.ts");
  // Checked when the configuration was read; files may have changed since then.
  const problems: string[] = [];
  const access = clusterAccess(config, problems);
  if (problems.length > 0) {
    const lines = problems.map((problem) => `- ${problem}`).join("\n");
    throw new MillraceError("CONFIG_INVALID", { count: problems.length, problems: lines });
  }
  return access;
}

async function warnOfReadablePasswords(config: Config, access: ServerAccess): Promise<void> {
  const { openSecretFiles, readablePasswords } = await import("../runtime/config/server-access.ts");
  const warnings = [...openSecretFiles(config), ...readablePasswords(access)];
  for (const warning of warnings) console.error(`Warning: ${warning}`);
}

/** @throws {MillraceError} DATA_STACK_CHANGED when the directory belongs to another stack. */
export function checkStack(manifest: DataManifest, { data, stack }: Config): void {
  const found = manifest.stack ?? "embedded";
  if (found === stack) return;
  throw new MillraceError("DATA_STACK_CHANGED", { directory: data, found, asked: stack });
}
