import { mkdir } from "node:fs/promises";
import { readArtifactFile, writeArtifactFile } from "./artifact-file.ts";
import type { SharedArtifacts } from "./shared-artifacts.ts";

/**
 * Artifacts as files of a directory that every machine mounts. It is made where it is missing;
 * members of the directory's group may read what is written, nobody else.
 */
export async function openDirectoryArtifacts(directory: string): Promise<SharedArtifacts> {
  await mkdir(directory, { recursive: true, mode: 0o750 });
  return {
    where: `directory ${directory}`,
    read: (sha256) => readArtifactFile(directory, sha256),
    write: (sha256, bytes) => writeArtifactFile(directory, sha256, bytes, 0o640),
  };
}
