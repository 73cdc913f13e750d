import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { freePorts } from "./free-ports.ts";
import { type ServerOptions, type ServerProcess, startServer } from "./server-process.ts";
import { stackEnvironment } from "./stack-environment.ts";
import { tcpProbe } from "./tcp-probe.ts";

/** Where a local Redis keeps its data and listens. */
export interface RedisStackOptions {
  readonly directory: string;
  /** @default a free port */
  readonly port?: number;
  /** More arguments, e.g. `["--appendonly", "yes"]`. @default [] */
  readonly args?: readonly string[];
}

/** A running Redis on 127.0.0.1. `stop`, `kill` and `start` act on the one process. */
export interface RedisStack extends Pick<ServerProcess, "pid" | "start" | "stop" | "kill"> {
  readonly port: number;
  /** e.g. `redis://127.0.0.1:6379`. */
  readonly url: string;
}

/**
 * Starts `redis-server` from the PATH, without persistence unless `args` ask for it.
 *
 * @throws {MillraceError} STACK_MISSING_REDIS, STACK_START_FAILED.
 */
export async function startRedis(options: RedisStackOptions): Promise<RedisStack> {
  const port = options.port ?? (await freePorts(1))[0] ?? 0;
  const server = await startServer(await redisServer({ args: [], ...options, port }));
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return server.pid;
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}

/** What was acknowledged is in the file before the answer: a killed server has lost nothing. */
export const durableRedis = ["--appendonly", "yes", "--appendfsync", "everysec"] as const;

/** Resolves when the Redis on the port has loaded its data and answers. */
export async function probeRedis(port: number): Promise<void> {
  const answer = await tcpProbe(port, "PING\r\n");
  if (!answer.startsWith("+PONG")) throw new Error(`Redis answers ${answer.trim()}`);
}

/**
 * How to start `redis-server` from the PATH.
 *
 * @throws {MillraceError} STACK_MISSING_REDIS.
 */
export async function redisServer(options: Required<RedisStackOptions>): Promise<ServerOptions> {
  const { port } = options;
  const folder = stackEnvironment().path.find((each) => existsSync(join(each, "redis-server")));
  if (folder === undefined) {
    throw new MillraceError("STACK_MISSING_REDIS");
  }
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const fixed = ["--port", String(port), "--bind", "127.0.0.1", "--dir", options.directory];
  return {
    name: "Redis",
    command: join(folder, "redis-server"),
    args: [...fixed, "--save", "", "--appendonly", "no", ...options.args],
    directory: options.directory,
    logFile: join(options.directory, "redis.log"),
    probe: () => probeRedis(port),
  };
}
