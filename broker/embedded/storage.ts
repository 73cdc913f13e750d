import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";

/** Places at which a crash or a full disk can be simulated; each stands before one system call. */
export type StoragePoint =
  | "segment-create"
  | "segment-write"
  | "marker-write"
  | "segment-drop"
  | "compaction-write"
  | "compaction-rename"
  | "decision-write"
  | "journal-write"
  | "journal-compact"
  | "journal-rename"
  | "checkpoint-write"
  | "checkpoint-rename"
  | "flush";

/**
 * Called at each point with the size of the write. It may throw {@link SimulatedCrash}, or an
 * error with a `code` like `ENOSPC`, which then counts as the system's answer.
 */
export type FaultHook = (point: StoragePoint, sizeBytes: number) => void;

/** The process dies here, after the first bytes of the write have reached the file. */
export class SimulatedCrash extends Error {
  readonly bytesWritten: number;

  constructor(bytesWritten = 0) {
    super("simulated crash");
    this.bytesWritten = bytesWritten;
  }
}

/** The file system as the log uses it: owner-only files, faults at named points, our errors. */
export class Storage {
  readonly directory: string;
  readonly readOnly: boolean;
  /** Whether commits are flushed to the disk itself, for power loss. */
  readonly flushes: boolean;
  /** Called when a simulated crash has happened, to let go of files and lock as a death does. */
  onDeath: () => void = () => {};
  readonly #faults: FaultHook | undefined;
  #dead = false;
  #failure: MillraceError | null = null;

  constructor(
    directory: string,
    options: { readOnly: boolean; flushes: boolean; faults: FaultHook | undefined },
  ) {
    this.directory = directory;
    this.readOnly = options.readOnly;
    this.flushes = options.flushes;
    this.#faults = options.faults;
  }

  /** After a simulated crash nothing may touch the files any more. */
  get dead(): boolean {
    return this.#dead;
  }

  /**
   * A decided transaction could not be finished: nothing may be written until the log is opened
   * again, which finishes it.
   */
  fail(): void {
    const context = { directory: this.directory, reason: "a commit could not be finished" };
    this.#failure ??= new MillraceError("STORAGE_FULL", context);
  }

  /** @throws {MillraceError} DATA_READ_ONLY, STORAGE_FULL, STORAGE_FAILED, BROKER_CLOSED. */
  checkWritable(): void {
    if (this.#dead) throw new MillraceError("BROKER_CLOSED", { request: "a write" });
    if (this.readOnly) throw new MillraceError("DATA_READ_ONLY", { directory: this.directory });
    if (this.#failure !== null) throw this.#failure;
  }

  /** Runs a system call behind its point. */
  at<T>(point: StoragePoint, sizeBytes: number, call: () => T): T {
    return this.#translated(() => {
      this.#faults?.(point, sizeBytes);
      return call();
    });
  }

  #translated<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** Opens a file of the log, made owner-only when it is not there. */
  openFile(path: string): number {
    if (this.readOnly) return openSync(path, "r");
    try {
      return openSync(path, "r+");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw this.#translate(error);
    }
    return this.at("segment-create", 0, () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return openSync(path, "wx+", 0o600);
    });
  }

  /** Writes all bytes at a position, or none: on failure the file is cut back. */
  write(point: StoragePoint, file: number, bytes: Buffer, position: number): void {
    this.checkWritable();
    try {
      this.#faults?.(point, bytes.length);
      writeAll(file, bytes, position);
    } catch (error) {
      if (error instanceof SimulatedCrash) {
        writeAll(file, bytes.subarray(0, Math.min(error.bytesWritten, bytes.length)), position);
      } else ftruncateSync(file, position);
      throw this.#translate(error);
    }
  }

  /** Writes a whole file beside its place and renames it there. */
  replace(points: readonly [StoragePoint, StoragePoint], path: string, content: Buffer): void {
    this.checkWritable();
    const beside = `${path}.new`;
    const file = this.#translated(() => {
      rmSync(beside, { force: true });
      return openSync(beside, "wx", 0o600);
    });
    try {
      this.write(points[0], file, content, 0);
      this.flush(file);
    } finally {
      closeSync(file);
    }
    this.at(points[1], 0, () => renameSync(beside, path));
    if (!this.flushes) return;
    const directory = this.#translated(() => openSync(dirname(path), "r"));
    try {
      this.flush(directory);
    } finally {
      closeSync(directory);
    }
  }

  /**
   * Flushes to the disk itself, where that is wanted. What a flush that failed has left there is
   * not known: nothing may be written until the log is opened again.
   */
  flush(file: number): void {
    if (!this.flushes) return;
    try {
      this.at("flush", 0, () => fsyncSync(file));
    } catch (error) {
      if (error instanceof MillraceError) this.#failure ??= error;
      throw error;
    }
  }

  remove(path: string): void {
    this.checkWritable();
    this.at("segment-drop", 0, () => rmSync(path, { recursive: true, force: true }));
  }

  #translate(error: unknown): unknown {
    if (error instanceof MillraceError) return error;
    if (error instanceof SimulatedCrash) {
      this.#dead = true;
      this.onDeath();
      return error;
    }
    const { directory } = this;
    if (isStorageFull(error)) return storageFull(directory, error);
    const reason = error instanceof Error ? error.message : String(error);
    return new MillraceError("STORAGE_FAILED", { directory, reason }, { cause: error });
  }
}

/** Reads up to `bytes.length` from a position; returns how many there were. */
export function readAll(file: number, bytes: Buffer, position: number): number {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(file, bytes, done, bytes.length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
