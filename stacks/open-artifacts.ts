import { join } from "node:path";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import { type ArtifactStore, openArtifactStore } from "../runtime/services/train/artifacts.ts";
import type { SharedArtifacts } from "../sinks/artifacts/shared-artifacts.ts";
import type { OfflineStore } from "../sinks/store.ts";

/** Opens the artifact store of a data directory, behind it the one that machines share. */
export async function openArtifacts(
  directory: string,
  access: ArtifactsAccess,
  offline: OfflineStore,
): Promise<ArtifactStore> {
  const shared = await openShared(access, offline);
  return await openArtifactStore(join(directory, "models"), shared === null ? {} : { shared });
}

async function openShared(
  access: ArtifactsAccess,
  offline: OfflineStore,
): Promise<SharedArtifacts | null> {
  switch (access.kind) {
    case "local":
      return null;
    case "clickhouse":
      return (await import("../sinks/artifacts/clickhouse-artifacts.ts")).openClickHouseArtifacts(
        offline,
      );
    case "directory":
      return await (
        await import("../sinks/artifacts/directory-artifacts.ts")
      ).openDirectoryArtifacts(access.directory);
    case "s3":
      return (await import("../sinks/artifacts/s3-artifacts.ts")).openS3Artifacts(access.options);
  }
}
