/**
 * Entry of the child process that holds chDB. It speaks `chdb-message.ts` over the IPC channel and
 * dies with its parent: when the channel closes unasked, at once.
 */

import { readOnlySettings } from "../statement.ts";
import { ChdbEngine } from "./chdb-engine.ts";
import { startChdbFront } from "./chdb-front.ts";
import {
  type ChdbAnswer,
  type ChdbRequest,
  type ChdbStart,
  querySettings,
} from "./chdb-message.ts";

/** Chunks of a stream that may be under way before the parent has taken them. */
const chunksAhead = 2;

// chDB makes its files with the rights that are left to them.
process.umask(0o077);
const start = JSON.parse(process.argv[2] ?? "{}") as ChdbStart;
const taken = new Map<number, () => void>();

// A query may still run on a thread of libuv, and an orderly exit would wait for it.
const die = () => process.kill(process.pid, "SIGKILL");
process.on("disconnect", die);
// Ctrl-C reaches the whole group; the parent decides when this process ends.
process.on("SIGINT", () => {});

try {
  const engine = await ChdbEngine.open(start);
  const front =
    start.httpPort === null
      ? null
      : await startChdbFront(engine, {
          port: start.httpPort,
          spoolDirectory: start.spoolDirectory,
          passwordFile: start.passwordFile,
          ...(start.maxBodyBytes === undefined ? {} : { maxBodyBytes: start.maxBodyBytes }),
        });
  process.on("message", (message: ChdbRequest) => {
    if (message.kind === "taken") taken.get(message.id)?.();
    else if (message.kind === "close") void close(engine, front);
    else void answer(engine, message);
  });
  send({ kind: "ready", httpPort: front?.port ?? null });
} catch (error) {
  send({ kind: "refused", reason: reasonOf(error) });
  process.disconnect();
}

async function answer(
  engine: ChdbEngine,
  message: Extract<ChdbRequest, { readonly sql: string } | { readonly file: string }>,
): Promise<void> {
  const { id } = message;
  try {
    if (message.kind === "insert") {
      await engine.insertFile(message.insert, message.file, "");
      send({ kind: "done", id, bytes: null });
    } else if (message.kind === "stream") {
      await stream(engine, message);
      send({ kind: "done", id, bytes: null });
    } else {
      const settings =
        message.readOnly === true ? { ...querySettings, ...readOnlySettings } : querySettings;
      const { sql, format, database } = message;
      const bytes = await engine.run(sql, format, settings, database);
      send({ kind: "done", id, bytes });
    }
  } catch (error) {
    send({ kind: "failed", id, reason: reasonOf(error) });
  }
}

/** Sends chunks, never more than a few ahead of the parent: memory stays bounded. */
async function stream(
  engine: ChdbEngine,
  { id, sql, format, database }: Extract<ChdbRequest, { readonly kind: "stream" }>,
): Promise<void> {
  let underWay = 0;
  let wake: (() => void) | null = null;
  taken.set(id, () => {
    underWay -= 1;
    wake?.();
  });
  try {
    const pass = async (bytes: Uint8Array): Promise<void> => {
      while (underWay >= chunksAhead) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      underWay += 1;
      // The engine frees the chunk when the next is asked for; the channel may serialise later.
      send({ kind: "chunk", id, bytes: Uint8Array.prototype.slice.call(bytes) });
    };
    await engine.stream(sql, format, querySettings, pass, database);
  } finally {
    taken.delete(id);
  }
}

async function close(engine: ChdbEngine, front: { close(): Promise<void> } | null): Promise<void> {
  process.off("disconnect", die);
  await front?.close();
  await engine.endProcess();
}

function send(message: ChdbAnswer): void {
  process.send?.(message, () => {});
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
