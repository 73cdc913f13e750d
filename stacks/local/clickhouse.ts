import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type ChdbStart, chdbServerProgram } from "../../sinks/chdb/chdb-message.ts";
import { requireChdb } from "../../sinks/chdb/require-chdb.ts";
import type { ServerOptions } from "./server-process.ts";

/** Where a chDB behind ClickHouse's HTTP interface keeps its data and listens. */
export interface ClickHouseStackOptions {
  readonly directory: string;
  readonly port: number;
  /** Limit of all queries together, in bytes. */
  readonly maxMemoryBytes: number;
}

/**
 * Runs a program at a low priority, all its threads, under the pid of the shell: where cores are
 * short the stream comes first, for blocks and merges can wait and events cannot.
 */
const behindOthers = 'command -v nice >/dev/null && exec nice -n 10 "$0" "$@"; exec "$0" "$@"';

/**
 * How to start chDB in a process of its own, behind ClickHouse's HTTP interface.
 *
 * @throws {MillraceError} PACKAGE_MISSING when chDB is not installed.
 */
export async function clickHouseServer(options: ClickHouseStackOptions): Promise<ServerOptions> {
  requireChdb();
  const { directory, port, maxMemoryBytes } = options;
  const start: ChdbStart = {
    directory: resolve(directory, "data"),
    spoolDirectory: resolve(directory, "spool"),
    database: "millrace",
    maxMemoryBytes,
    maxQueries: 8,
    httpPort: port,
    passwordFile: clickHousePasswordFile(directory),
  };
  await mkdir(start.directory, { recursive: true, mode: 0o700 });
  await mkdir(start.spoolDirectory, { recursive: true, mode: 0o700 });
  return {
    name: "chDB",
    command: "/bin/sh",
    args: ["-c", behindOthers, process.execPath, chdbServerProgram(), JSON.stringify(start)],
    directory,
    env: { UV_THREADPOOL_SIZE: "16", TZ: "UTC" },
    logFile: join(directory, "chdb.log"),
    probe: () => probeClickHouse(port),
  };
}

/** Owner-only file with the password of the chDB in a directory; made when it is first started. */
export function clickHousePasswordFile(directory: string): string {
  return resolve(directory, "spool", "password");
}

/** Resolves when ClickHouse's HTTP interface on the port answers. */
export async function probeClickHouse(port: number): Promise<void> {
  const address = `http://127.0.0.1:${port}/ping`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(2_000) });
  if ((await answer.text()) !== "Ok.\n") throw new Error("the port answers, but not as chDB");
}
