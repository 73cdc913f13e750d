import { readArtifactFile, writeArtifactFile } from "./artifact-file.ts";
import type { SharedArtifacts } from "./shared-artifacts.ts";

/**
 * Artifacts as files of a directory that every machine mounts, made with the first of them;
 * members of the directory's group may read what is written, nobody else.
 */
export function openDirectoryArtifacts(directory: string): SharedArtifacts {
  return {
    where: `directory ${directory}`,
    read: (sha256) => readArtifactFile(directory, sha256),
    write: (sha256, bytes) => writeArtifactFile(directory, sha256, bytes, 0o640),
  };
}
