import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { isAlive } from "../../broker/embedded/directory-lock.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { checkDataParts, type DataParts, markDataParts } from "../data-parts.ts";
import { apicurioServer, probeRegistry } from "./apicurio.ts";
import { clickHouseServer, probeClickHouse } from "./clickhouse.ts";
import { defaultPorts } from "./default-ports.ts";
import { serving, spawnDetached, stopDetached } from "./detached-server.ts";
import { kafkaServer } from "./kafka.ts";
import { kafkaReady, probeKafka } from "./kafka-ready.ts";
import { durableRedis, probeRedis, redisServer } from "./redis.ts";
import type { ServerOptions } from "./server-process.ts";
import {
  type LocalServerName,
  localServerNames,
  readServerRecords,
  type ServerRecord,
  type ServerRecords,
  withServersLock,
  writeServerRecords,
} from "./server-state.ts";

/** Ports of the local servers on 127.0.0.1; null takes the one used before, or the default. */
export type LocalPorts = Readonly<Record<LocalServerName, number | null>>;

export interface LocalServersOptions {
  /** Data directory of the stack; every server has a folder of its own in it. */
  readonly directory: string;
  /** @default the ports used before, or 9092, 8081, 6379 and 8123 */
  readonly ports?: LocalPorts;
  /** Limit of all queries of chDB together, bytes, from its next start. @default 1610612736 */
  readonly offlineMemoryBytes?: number;
}

/** One server, as it is now. */
export interface LocalServerStatus {
  readonly name: LocalServerName;
  /** For people, e.g. `Kafka`. */
  readonly title: string;
  readonly up: boolean;
  /** Whether it answers; a server that has just been started takes seconds. */
  readonly answers: boolean;
  /** Null when it is down. */
  readonly pid: number | null;
  readonly port: number;
}

interface LocalServer {
  readonly title: string;
  /** Flag that gives another port. */
  readonly flag: string;
  prepare(directory: string, port: number, memoryBytes: number): Promise<ServerOptions>;
  /** Resolves when it answers. */
  probe(port: number): Promise<void>;
}

/** Where each writes what it has to say, in its folder. */
const logFiles: Readonly<Record<LocalServerName, string>> = {
  kafka: "kafka-1/server.log",
  registry: "apicurio.log",
  redis: "redis.log",
  clickhouse: "chdb.log",
};

/** Redis and ClickHouse are filled again from Kafka; without it they mean nothing. */
const parts: DataParts = { folders: ["kafka", "registry"], others: "Redis and ClickHouse" };

const defaultOfflineMemoryBytes = 1.5 * 2 ** 30;

const servers: Readonly<Record<LocalServerName, LocalServer>> = {
  kafka: {
    title: "Kafka",
    flag: "--kafka-port",
    prepare: (directory, port) => kafkaServer({ directory, port }),
    probe: probeKafka,
  },
  registry: {
    title: "Apicurio",
    flag: "--registry-port",
    prepare: (directory, port) => apicurioServer({ directory, port }),
    probe: probeRegistry,
  },
  redis: {
    title: "Redis",
    flag: "--redis-port",
    prepare: (directory, port) => redisServer({ directory, port, args: durableRedis }),
    probe: probeRedis,
  },
  clickhouse: {
    title: "chDB (ClickHouse)",
    flag: "--clickhouse-port",
    prepare: (directory, port, maxMemoryBytes) =>
      clickHouseServer({ directory, port, maxMemoryBytes }),
    probe: probeClickHouse,
  },
};

/** How long a server may take until it answers: after a kill Kafka reads its logs again, ms. */
const startTimeoutMs = 180_000;

/**
 * Starts what is down of the four servers and waits until all serve; they stay when this process
 * ends. Data of earlier starts are kept.
 *
 * @throws {MillraceError} STACK_NOT_READY naming every missing program and every port that is
 * taken (or the one problem itself), STACK_PORT_CHANGED, STACK_START_FAILED; DATA_PARTS when the
 * folder of Kafka or of the registry is not the one that the others were filled from.
 */
export async function startLocalServers(
  options: LocalServersOptions,
): Promise<LocalServerStatus[]> {
  const directory = resolve(options.directory);
  return await withServersLock(directory, async () => {
    const records: Partial<Record<LocalServerName, ServerRecord>> = readServerRecords(directory);
    const down = localServerNames.filter((name) => !isRunning(records, name));
    checkPorts(options, records);
    await checkDataParts(directory, parts);
    const memoryBytes = options.offlineMemoryBytes ?? defaultOfflineMemoryBytes;
    const prepared = await together(
      down.map(async (name) => {
        const port = portOf(name, options, records);
        await checkPortFree(name, port);
        const server = await servers[name].prepare(join(directory, name), port, memoryBytes);
        return { name, port, server };
      }),
    );
    for (const { name, port, server } of prepared) {
      records[name] = { ...(await spawnDetached(server)), port };
      writeServerRecords(directory, records);
    }
    // Those that were up, too: whoever started them may have been killed before they answered.
    await together(
      localServerNames.map(async (name) => {
        const record = records[name];
        if (record === undefined) return;
        const { title, probe } = servers[name];
        const logFile = join(directory, name, logFiles[name]);
        const server = { name: title, logFile, startTimeoutMs, probe: () => probe(record.port) };
        await serving(server, record);
      }),
    );
    if (down.includes("kafka")) {
      await kafkaReady([`127.0.0.1:${portOf("kafka", options, records)}`], {});
    }
    await markDataParts(directory, parts);
    return await statusOf(options, records);
  });
}

/** Which servers of the directory are up, with pids and ports. */
export function localServerStatus(options: LocalServersOptions): Promise<LocalServerStatus[]> {
  return statusOf(options, readServerRecords(resolve(options.directory)));
}

/** Pids of the servers that are up. */
export function localServerPids(directory: string): number[] {
  const records = readServerRecords(resolve(directory));
  return Object.values(records)
    .filter(isAlive)
    .map(({ pid }) => pid);
}

/** Stops the servers by their recorded pids, Kafka last; tells which ones were up. */
export async function stopLocalServers(directory: string): Promise<LocalServerStatus[]> {
  const path = resolve(directory);
  return await withServersLock(path, async () => {
    const records = readServerRecords(path);
    const before = await statusOf({ directory }, records);
    for (const name of localServerNames.toReversed()) {
      const record = records[name];
      if (record !== undefined) await stopDetached(record);
    }
    return before.filter(({ up }) => up);
  });
}

async function statusOf(
  options: LocalServersOptions,
  records: ServerRecords,
): Promise<LocalServerStatus[]> {
  return await Promise.all(
    localServerNames.map(async (name) => {
      const { title, probe } = servers[name];
      const up = isRunning(records, name);
      const pid = up ? (records[name]?.pid ?? null) : null;
      const port = portOf(name, options, records);
      const answers =
        up &&
        (await probe(port).then(
          () => true,
          () => false,
        ));
      return { name, title, up, answers, pid, port };
    }),
  );
}

function isRunning(records: ServerRecords, name: LocalServerName): boolean {
  const record = records[name];
  return record !== undefined && isAlive(record);
}

/** The one it runs on, the one asked for, the one used before, the default. */
function portOf(
  name: LocalServerName,
  { ports }: LocalServersOptions,
  records: ServerRecords,
): number {
  const before = records[name]?.port;
  if (before !== undefined && isRunning(records, name)) return before;
  return ports?.[name] ?? before ?? defaultPorts[name];
}

function checkPorts({ directory, ports }: LocalServersOptions, records: ServerRecords): void {
  for (const name of localServerNames) {
    const asked = ports?.[name] ?? null;
    const found = records[name]?.port;
    if (asked === null || found === asked || !isRunning(records, name)) continue;
    const { title, flag } = servers[name];
    const context = { name: title, directory, found: found ?? 0, asked, flag };
    throw new MillraceError("STACK_PORT_CHANGED", context);
  }
}

async function checkPortFree(name: LocalServerName, port: number): Promise<void> {
  const { title, flag } = servers[name];
  await new Promise<void>((done, fail) => {
    const probe = createServer();
    probe.once("error", (error) =>
      fail(new MillraceError("STACK_PORT_BUSY", { port, name: title, flag }, { cause: error })),
    );
    probe.listen(port, "127.0.0.1", () => probe.close(() => done()));
  });
}

/** All results, or all problems in one error: one round of corrections is enough. */
async function together<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(work);
  const problems = settled.filter((each) => each.status === "rejected").map((each) => each.reason);
  const foreign = problems.find((error) => !(error instanceof MillraceError));
  if (foreign !== undefined || problems.length === 1) throw foreign ?? problems[0];
  if (problems.length > 0) {
    throw new MillraceError("STACK_NOT_READY", {
      count: problems.length,
      problems: problems.map((error: MillraceError) => `- ${error.message}`).join("\n"),
    });
  }
  return settled.filter((each) => each.status === "fulfilled").map((each) => each.value);
}
