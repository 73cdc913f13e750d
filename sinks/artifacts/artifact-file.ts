import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";
import { checkSha256 } from "./shared-artifacts.ts";

/** Path of an artifact in a directory. */
export function artifactPath(directory: string, sha256: string): string {
  checkSha256(sha256);
  return join(directory, `${sha256}.onnx`);
}

/** Bytes of the file of an artifact, null where there is none. */
export async function readArtifactFile(directory: string, sha256: string): Promise<Buffer | null> {
  try {
    return await readFile(artifactPath(directory, sha256));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/**
 * Writes the file of an artifact: it is there whole and durable, or not at all. Whoever may read it
 * may enter the directory, which is made where it is missing.
 *
 * @throws {MillraceError} STORAGE_FULL.
 */
export async function writeArtifactFile(
  directory: string,
  sha256: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  try {
    await writeFile(directory, sha256, bytes, mode);
  } catch (error) {
    throw isStorageFull(error) ? storageFull(directory, error) : error;
  }
}

async function writeFile(
  directory: string,
  sha256: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const path = artifactPath(directory, sha256);
  await mkdir(directory, { recursive: true, mode: mode | ((mode & 0o444) >> 2) });
  const temporary = join(directory, `${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw error;
  }
  const folder = await open(directory, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
