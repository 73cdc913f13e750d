import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../../../schemas/errors.ts";

/**
 * Content-addressed, immutable model files: the name of a file is the sha256 of its bytes.
 * Owner-only; a file is there whole and durable or not at all.
 */
export interface ArtifactStore {
  readonly directory: string;
  /** Stores bytes durably and returns their sha256; storing them again changes nothing. */
  put(bytes: Uint8Array): Promise<string>;
  /**
   * Bytes of an artifact, checked against their name.
   *
   * @throws {MillraceError} ARTIFACT_MISSING, ARTIFACT_DAMAGED.
   */
  get(sha256: string): Promise<Buffer>;
}

/** Opens the artifact store in a directory, which is created (0700) where it is missing. */
export async function openArtifactStore(directory: string): Promise<ArtifactStore> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return {
    directory,
    put: (bytes) => put(directory, bytes),
    get: (sha256) => readArtifact(directory, sha256),
  };
}

/** Reads one artifact without opening a store, e.g. in a worker. */
export async function readArtifact(directory: string, sha256: string): Promise<Buffer> {
  const path = pathOf(directory, sha256);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new MillraceError("ARTIFACT_MISSING", { sha256, directory }, { cause });
  }
  if (digest(bytes) !== sha256) throw new MillraceError("ARTIFACT_DAMAGED", { sha256, directory });
  return bytes;
}

async function put(directory: string, bytes: Uint8Array): Promise<string> {
  const sha256 = digest(bytes);
  const whole = await readArtifact(directory, sha256).then(
    () => true,
    () => false,
  );
  if (whole) return sha256;
  const temporary = join(directory, `${randomUUID()}.tmp`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, pathOf(directory, sha256));
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
  return sha256;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A name comes from a topic: it must not lead out of the directory. */
function pathOf(directory: string, sha256: string): string {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new RangeError(`"${sha256}" is not a sha256`);
  return join(directory, `${sha256}.onnx`);
}
