import { join } from "node:path";
import { DirectoryLock } from "../broker/embedded/directory-lock.ts";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import { clearDataDirectory } from "../runtime/hosting/data-directory.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { frontPassword, frontUser } from "../sinks/chdb/front-password.ts";
import { FileEngine } from "./file-engine.ts";
import { holdDirectory } from "./hold-directory.ts";
import { clickHousePasswordFile } from "./local/clickhouse.ts";
import {
  type LocalServersOptions,
  localServerPids,
  startLocalServers,
  stopLocalServers,
} from "./local/local-servers.ts";
import type { LocalServerName } from "./local/server-state.ts";
import { loopbackAccess, openServers } from "./open-servers.ts";

export interface LocalStackOptions extends LocalServersOptions {
  /** Where machines share artifacts. @default a table of the offline store */
  readonly artifacts?: ArtifactsAccess;
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
  const { directory, exclusive = false } = options;
  const { artifacts = { kind: "clickhouse" } } = options;
  return await holdDirectory(directory, exclusive, async (keep, close) => {
    const servers = await startLocalServers(options);
    const ports = Object.fromEntries(servers.map(({ name, port }) => [name, port])) as Record<
      LocalServerName,
      number
    >;
    const file = clickHousePasswordFile(join(directory, "clickhouse"));
    const clickhouse = { user: frontUser, password: await frontPassword(file) };
    const access = loopbackAccess(ports, clickhouse);
    const parts = await openServers(access, directory, artifacts, keep);
    const pids = () => localServerPids(directory);
    const files = keep(new FileEngine(directory));
    const all = () => [...pids(), ...files.pids];
    return { ...parts, kind: "local", files, pids: all, offlinePassword: file, close };
  });
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
