import { type ChildProcess, fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { MillraceError } from "../../schemas/errors.ts";
import { isStorageFull, storageFull } from "../../schemas/storage-error.ts";
import { clickHouseCode, offlineQueryError } from "../offline-error.ts";
import type { ChdbAnswer, ChdbRequest, ChdbStart } from "./chdb-message.ts";

interface Waiting {
  readonly resolve: (bytes: Uint8Array | null) => void;
  readonly reject: (error: MillraceError) => void;
  readonly onChunk: ((chunk: Buffer) => void) | null;
}

/** A request without its number, which the channel gives it. */
type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, "id"> : never;

/** One life of the process that holds chDB, and the requests under way in it. */
export class ChdbChild {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #nextId = 1;
  alive = true;
  httpPort: number | null = null;

  private constructor(start: ChdbStart) {
    this.#directory = start.directory;
    // The extension is that of this file: .ts as written, .js as built.
    const entry = new URL(`./chdb-process${extname(import.meta.url)}`, import.meta.url);
    this.#process = fork(fileURLToPath(entry), [JSON.stringify(start)], {
      serialization: "advanced",
      execArgv: [],
      env: { UV_THREADPOOL_SIZE: "16", TZ: "UTC" },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        this.#lost(signal ?? `exit code ${code}`);
        resolve();
      });
    });
  }

  /**
   * @throws {MillraceError} OFFLINE_START_FAILED when chDB cannot open its directory; STORAGE_FULL.
   */
  static async start(start: ChdbStart): Promise<ChdbChild> {
    const child = new ChdbChild(start);
    await new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void => {
        const { directory } = start;
        const failed = new MillraceError("OFFLINE_START_FAILED", { directory, reason });
        reject(isFull(reason) ? storageFull(directory, failed) : failed);
      };
      child.#process.once("error", (error) => fail(error.message));
      child.#process.once("exit", (code, signal) => fail(`it ended with ${signal ?? code}`));
      child.#process.on("message", (message: ChdbAnswer) => {
        if (message.kind === "refused") fail(message.reason);
        else if (message.kind === "ready") {
          child.httpPort = message.httpPort;
          resolve();
        } else child.#take(message);
      });
    });
    return child;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  request(
    message: Unnumbered<ChdbRequest>,
    onChunk: ((chunk: Buffer) => void) | null = null,
  ): Promise<Uint8Array | null> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (!this.alive) {
        reject(this.#unavailable("its process has ended"));
        return;
      }
      this.#waiting.set(id, { resolve, reject, onChunk });
      this.#process.send({ ...message, id }, (error) => {
        if (error) this.#fail(id, this.#unavailable(error.message));
      });
    });
  }

  async close(): Promise<void> {
    if (this.alive) this.#process.send({ kind: "close" } satisfies ChdbRequest, () => {});
    await this.#exited;
  }

  #take(message: Exclude<ChdbAnswer, { kind: "ready" } | { kind: "refused" }>): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) {
      if (message.kind === "chunk") this.#taken(message.id);
      return;
    }
    if (message.kind === "chunk") {
      const { buffer, byteOffset, byteLength } = message.bytes;
      try {
        waiting.onChunk?.(Buffer.from(buffer, byteOffset, byteLength));
      } catch (error) {
        this.#waiting.delete(message.id);
        waiting.reject(error as MillraceError);
      }
      this.#taken(message.id);
      return;
    }
    this.#waiting.delete(message.id);
    if (message.kind === "done") waiting.resolve(message.bytes);
    else {
      const failed = offlineQueryError(message.reason);
      waiting.reject(isFull(message.reason) ? storageFull(this.#directory, failed) : failed);
    }
  }

  #taken(id: number): void {
    this.#process.send({ kind: "taken", id } satisfies ChdbRequest, () => {});
  }

  #fail(id: number, error: MillraceError): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(error);
  }

  #lost(reason: string): void {
    this.alive = false;
    for (const id of [...this.#waiting.keys()]) {
      this.#fail(id, this.#unavailable(`its process ended: ${reason}`));
    }
  }

  #unavailable(reason: string): MillraceError {
    return new MillraceError("OFFLINE_UNAVAILABLE", { where: this.#directory, reason });
  }
}

/** NOT_ENOUGH_SPACE: the engine had no room to reserve; else it is the system that had none. */
function isFull(reason: string): boolean {
  return clickHouseCode(reason) === "243" || isStorageFull(new Error(reason));
}
