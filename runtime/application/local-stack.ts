import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openClickHouse } from "../../sinks/clickhouse.ts";
import { openRedisStore } from "../../sinks/redis.ts";
import { DirectoryLock } from "../broker/embedded/directory-lock.ts";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { openConfluentRegistry } from "../schema-registry/confluent.ts";
import { registryUrl } from "../stack/apicurio.ts";
import {
  type LocalServersOptions,
  localServerPids,
  startLocalServers,
  stopLocalServers,
} from "../stack/local-servers.ts";
import type { LocalServerName } from "../stack/server-state.ts";
import { openArtifactStore } from "../training/artifacts.ts";
import { clearDataDirectory } from "./data-directory.ts";
import type { Stack } from "./stack.ts";

export interface LocalStackOptions extends LocalServersOptions {
  /** Whether this process alone may use the data directory, as a run does. @default false */
  readonly exclusive?: boolean;
}

/**
 * Opens Kafka, Apicurio, Redis and chDB behind ClickHouse's interface on this machine, and starts
 * what is down of them. `close` leaves them up.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds the directory, and what
 * `startLocalServers` throws.
 */
export async function openLocalStack(options: LocalStackOptions): Promise<Stack> {
  const { directory } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = options.exclusive === true ? DirectoryLock.take(directory) : null;
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(part: T): T => {
    opened.unshift(part);
    return part;
  };
  const close = async () => {
    for (const part of opened.splice(0)) await part.close();
    lock?.release();
  };
  try {
    const servers = await startLocalServers(options);
    const ports = Object.fromEntries(servers.map(({ name, port }) => [name, port])) as Record<
      LocalServerName,
      number
    >;
    const offlineAddress = `http://127.0.0.1:${ports.clickhouse}`;
    const broker = keep(
      await openKafkaBroker({ brokers: [`127.0.0.1:${ports.kafka}`], clientId: "millrace" }),
    );
    const registry = keep(openConfluentRegistry({ url: registryUrl(ports.registry) }));
    const online = keep(await openRedisStore({ urls: [`redis://127.0.0.1:${ports.redis}`] }));
    const offline = keep(openClickHouse({ url: offlineAddress }));
    const artifacts = await openArtifactStore(join(directory, "models"));
    return {
      kind: "local",
      broker,
      registry,
      online,
      offline,
      artifacts,
      pids: () => localServerPids(directory),
      offlineAddress,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Stops the servers of a data directory and empties it.
 *
 * @throws {MillraceError} DATA_LOCKED when a run holds it.
 */
export async function clearLocalStack(directory: string): Promise<void> {
  const lock = DirectoryLock.take(directory);
  try {
    await stopLocalServers(directory);
    await clearDataDirectory(directory);
  } finally {
    lock.release();
  }
}
