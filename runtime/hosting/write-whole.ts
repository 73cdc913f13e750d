import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";

/**
 * Writes an owner-only file whole or not at all. The file beside it is made anew: a link that
 * stands there is removed, never followed. One process at a time writes a path.
 *
 * @throws {MillraceError} STORAGE_FULL.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  try {
    const file: FileHandle = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    throw isStorageFull(error) ? storageFull(dirname(path), error) : error;
  }
}
