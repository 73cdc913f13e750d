import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ArtifactsAccess } from "../runtime/config/artifacts-access.ts";
import {
  type ArtifactStore,
  type Artifacts,
  openArtifactStore,
} from "../runtime/services/train/artifacts.ts";
import type { SharedArtifacts } from "../sinks/artifacts/shared-artifacts.ts";
import type { OfflineStore } from "../sinks/store.ts";

/** Opens the artifact stores of a data directory, behind them the one that machines share. */
export async function openArtifacts(
  directory: string,
  access: ArtifactsAccess,
  offline: OfflineStore,
): Promise<Artifacts> {
  const shared = await openShared(access, offline);
  const stores = new Map<string, ArtifactStore>();
  return {
    ...(access.kind === "local" ? {} : { place: () => placeOf(access) }),
    of: (topology) => {
      const known = stores.get(topology);
      if (known !== undefined) return known;
      const options = shared === null ? {} : { shared: shared(topology) };
      const store = openArtifactStore(join(directory, "models", topology), options);
      stores.set(topology, store);
      return store;
    },
  };
}

async function placeOf(access: Exclude<ArtifactsAccess, { kind: "local" }>) {
  if (access.kind === "clickhouse") return { id: "clickhouse", where: "ClickHouse" };
  if (access.kind === "directory") {
    const { directory } = access;
    return { id: await directoryId(directory), where: `directory ${directory}` };
  }
  const { bucket, prefix = "", endpoint } = access.options;
  const where = `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  return { id: `${where} ${endpoint ?? ""}`, where };
}

/** Whoever mounts a directory finds the same file in it, by whatever path; it is there whole. */
async function directoryId(directory: string): Promise<string> {
  const path = join(directory, ".millrace-store");
  const made = randomUUID();
  const temporary = `${path}.${made}`;
  await writeFile(temporary, `${made}\n`, { flag: "wx", mode: 0o640 });
  await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await rm(temporary);
  return (await readFile(path, "utf8")).trim();
}

/** The shared store of a topology; null: there is none. */
type Shared = (topology: string) => SharedArtifacts;

async function openShared(access: ArtifactsAccess, offline: OfflineStore): Promise<Shared | null> {
  switch (access.kind) {
    case "local":
      return null;
    case "clickhouse": {
      const { openClickHouseArtifacts } = await import(
        "../sinks/artifacts/clickhouse-artifacts.ts"
      );
      return (topology) => openClickHouseArtifacts(offline.of(topology));
    }
    case "directory": {
      const { openDirectoryArtifacts } = await import("../sinks/artifacts/directory-artifacts.ts");
      // One that cannot be made is told at the start.
      await mkdir(access.directory, { recursive: true, mode: 0o750 });
      return (topology) => openDirectoryArtifacts(join(access.directory, topology));
    }
    case "s3": {
      const { openS3Artifacts } = await import("../sinks/artifacts/s3-artifacts.ts");
      const { prefix = "" } = access.options;
      return (topology) => openS3Artifacts({ ...access.options, prefix: `${prefix}/${topology}` });
    }
  }
}
