import { join } from "node:path";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { openFileRegistry } from "../runtime/schema-registry/embedded.ts";
import { openChdb } from "../sinks/chdb/chdb.ts";
import { openEmbeddedOnlineStore } from "../sinks/lmdb/embedded-online.ts";
import { checkDataParts, type DataParts, markDataParts } from "./data-parts.ts";
import { holdDirectory } from "./hold-directory.ts";
import { openArtifacts } from "./open-artifacts.ts";

export interface EmbeddedStackOptions {
  /** Data directory; created owner-only. */
  readonly directory: string;
  /** Port of ClickHouse's HTTP interface on loopback, 0 for any. @default no interface */
  readonly httpPort?: number | null;
  /** Limit of all queries of chDB together, in bytes. @default 1610612736 */
  readonly offlineMemoryBytes?: number;
  /** Where machines share artifacts. @default the data directory alone */
  readonly artifacts?: ArtifactsAccess;
}

/** The online and the offline store are filled again from the log; without it they mean nothing. */
const parts: DataParts = {
  folders: ["log"],
  files: ["schemas.ndjson"],
  others: "the stores",
};

const defaultOfflineMemoryBytes = 1.5 * 2 ** 30;

/**
 * Opens everything in one process tree over one data directory: embedded log, schema registry,
 * online store, and chDB in a child process. The broker takes the directory's lock first.
 *
 * @throws {MillraceError} DATA_LOCKED when another process holds it; DATA_PARTS when the log or the
 * schemas are not those that the stores beside them were filled from.
 */
export async function openEmbeddedStack(options: EmbeddedStackOptions): Promise<Stack> {
  const { directory } = options;
  await checkDataParts(directory, parts);
  return await holdDirectory(directory, false, async (keep, close) => {
    const broker = keep(await openEmbeddedBroker({ directory: join(directory, "log") }));
    const registry = keep(await openFileRegistry(join(directory, "schemas.ndjson")));
    await markDataParts(directory, parts);
    const online = keep(await openEmbeddedOnlineStore({ directory: join(directory, "online") }));
    const offline = keep(
      await openChdb({
        directory: join(directory, "offline"),
        spoolDirectory: join(directory, "spool"),
        httpPort: options.httpPort ?? null,
        maxMemoryBytes: options.offlineMemoryBytes ?? defaultOfflineMemoryBytes,
      }),
    );
    const artifacts = await openArtifacts(
      directory,
      options.artifacts ?? { kind: "local" },
      offline,
    );
    return {
      kind: "embedded",
      broker,
      registry,
      online,
      offline,
      artifacts,
      files: offline,
      pids: () => [offline.pid],
      offlineAddress: offline.httpAddress,
      offlinePassword: offline.passwordFile,
      close,
    };
  });
}
