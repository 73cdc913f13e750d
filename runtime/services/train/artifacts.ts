import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { MillraceError } from "../../../schemas/errors.ts";
import { isStorageFull } from "../../../schemas/storage-error.ts";
import { readArtifactFile, writeArtifactFile } from "../../../sinks/artifacts/artifact-file.ts";
import type { SharedArtifacts } from "../../../sinks/artifacts/shared-artifacts.ts";

/**
 * Content-addressed, immutable model files: the name of a file is the sha256 of its bytes. They
 * stand in a directory of this machine, owner-only, from which threads load them; where there is a
 * shared store, each is written there first, and fetched from there when it is missing here.
 */
export interface ArtifactStore {
  readonly directory: string;
  /**
   * Stores bytes durably, for everybody who shares the store, and returns their sha256; storing
   * them again changes nothing.
   *
   * @throws {MillraceError} ARTIFACTS_UNREACHABLE; STORAGE_FULL.
   */
  put(bytes: Uint8Array): Promise<string>;
  /**
   * Bytes of an artifact, checked against their name.
   *
   * @throws {MillraceError} ARTIFACT_MISSING, ARTIFACT_DAMAGED, ARTIFACTS_UNREACHABLE; STORAGE_FULL
   * where it is fetched.
   */
  get(sha256: string): Promise<Buffer>;
  /** Makes the file of an artifact stand in the directory. @throws as {@link ArtifactStore.get} */
  ensure(sha256: string): Promise<void>;
}

/** Artifacts of every topology, each apart from the others. */
export interface Artifacts {
  /** Tells the store that machines share from any other. @default there is none */
  place?(): Promise<{ readonly id: string; readonly where: string }>;
  of(topology: string): ArtifactStore;
}

export interface ArtifactStoreOptions {
  /** @default none: the directory is all there is */
  readonly shared?: SharedArtifacts;
  /** Waits between tries of the shared store, ms; after the last one it fails. @default 5 min */
  readonly retryAfterMs?: readonly number[];
}

/** Quickly first, then every 15 s for five minutes: a store that restarts is back by then. */
const retryAfterMsDefault = [250, 1_000, 4_000, ...Array.from({ length: 20 }, () => 15_000)];

/** The artifact store in a directory, which is made (0700) with the first artifact. */
export function openArtifactStore(
  directory: string,
  options: ArtifactStoreOptions = {},
): ArtifactStore {
  const { shared } = options;
  if (shared === undefined) {
    return {
      directory,
      put: (bytes) => keep(directory, bytes),
      get: (sha256) => readArtifact(directory, sha256),
      ensure: async (sha256) => void (await readArtifact(directory, sha256)),
    };
  }
  const cached = new SharedArtifactStore(directory, shared, options.retryAfterMs);
  return {
    directory,
    put: (bytes) => cached.put(bytes),
    get: (sha256) => cached.get(sha256),
    ensure: (sha256) => cached.ensure(sha256),
  };
}

/** Reads one artifact without opening a store, e.g. in a worker. */
export async function readArtifact(directory: string, sha256: string): Promise<Buffer> {
  const bytes = await readArtifactFile(directory, sha256);
  if (bytes === null) throw new MillraceError("ARTIFACT_MISSING", { sha256, where: directory });
  if (digest(bytes) !== sha256) {
    throw new MillraceError("ARTIFACT_DAMAGED", { sha256, where: directory });
  }
  return bytes;
}

class SharedArtifactStore {
  readonly #directory: string;
  readonly #shared: SharedArtifacts;
  readonly #retryAfterMs: readonly number[];
  /** Known to stand in the directory, whole. */
  readonly #here = new Set<string>();

  constructor(
    directory: string,
    shared: SharedArtifacts,
    retryAfterMs: readonly number[] = retryAfterMsDefault,
  ) {
    this.#directory = directory;
    this.#shared = shared;
    this.#retryAfterMs = retryAfterMs;
  }

  /** A version is told to others only after this: the shared store has it before anybody asks. */
  async put(bytes: Uint8Array): Promise<string> {
    const sha256 = digest(bytes);
    await this.#ask(() => this.#shared.write(sha256, bytes));
    await keep(this.#directory, bytes);
    this.#here.add(sha256);
    return sha256;
  }

  async ensure(sha256: string): Promise<void> {
    if (!this.#here.has(sha256)) await this.get(sha256);
  }

  async get(sha256: string): Promise<Buffer> {
    const here = await readArtifactFile(this.#directory, sha256);
    if (here !== null && digest(here) === sha256) {
      this.#here.add(sha256);
      return here;
    }
    const { where } = this.#shared;
    const bytes = await this.#ask(() => this.#shared.read(sha256));
    if (bytes === null) throw new MillraceError("ARTIFACT_MISSING", { sha256, where });
    if (digest(bytes) !== sha256) throw new MillraceError("ARTIFACT_DAMAGED", { sha256, where });
    await keep(this.#directory, bytes);
    this.#here.add(sha256);
    return bytes;
  }

  /** A name that is none is an error of ours, not of the store; a full disk stays full. */
  async #ask<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await call();
      } catch (cause) {
        const waitMs = this.#retryAfterMs[tries];
        if (cause instanceof RangeError || isStorageFull(cause)) throw cause;
        if (waitMs !== undefined) {
          await sleep(waitMs);
          continue;
        }
        const { where } = this.#shared;
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new MillraceError("ARTIFACTS_UNREACHABLE", { where, reason }, { cause });
      }
    }
  }
}

async function keep(directory: string, bytes: Uint8Array): Promise<string> {
  const sha256 = digest(bytes);
  const before = await readArtifactFile(directory, sha256);
  if (before !== null && digest(before) === sha256) return sha256;
  await writeArtifactFile(directory, sha256, bytes, 0o600);
  return sha256;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
