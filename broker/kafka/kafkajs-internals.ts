import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { KafkaConfig, SASLOptions } from "kafkajs";
import { MillraceError } from "../../schemas/errors.ts";
import { patchedConnection } from "./patches/connection.ts";
import { type CreateRequest, patchedCreateRequest, type WireEncoded } from "./patches/request.ts";
import { patchedRequestQueue } from "./patches/request-queue.ts";

/*
 * The one door to kafkajs's inner modules. The patches are put into the module cache before the
 * connection, which requires them, is loaded; a version other than the pinned one is refused.
 */

const expectedVersion = "2.2.4";

/** What a connection is asked to send: our request, and a decoder of its payload. */
export interface KafkajsCall<T> {
  readonly request: WireEncoded & {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
  };
  readonly response: {
    decode(payload: Buffer): Decoded<T>;
    parse(decoded: Decoded<T>): T;
  };
  readonly requestTimeout: number | null;
  readonly logResponseError: boolean;
}

/** A decoded answer; kafkajs reads the throttle time from it (KIP-219). */
export interface Decoded<T> {
  readonly clientSideThrottleTime: number;
  readonly value: T;
}

export type ApiVersions = Readonly<Record<number, { minVersion: number; maxVersion: number }>>;

/** kafkajs's connection, as far as it is used here. */
export interface KafkajsConnection {
  readonly socket?: { destroy(): void };
  connect(): Promise<unknown>;
  disconnect(): Promise<unknown>;
  authenticate(): Promise<void>;
  isConnected(): boolean;
  setVersions(versions: ApiVersions): void;
  setSupportAuthenticationProtocol(supported: boolean): void;
  rejectRequests(error: Error): void;
  send<T>(call: KafkajsCall<T>): Promise<T>;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly logger: unknown;
  readonly socketFactory: unknown;
  readonly requestTimeout: number;
  readonly connectionTimeout: number;
  readonly ssl: KafkaConfig["ssl"] | null;
  readonly sasl: SASLOptions | null;
}

/** One line of kafkajs's log. */
export interface LogEntry {
  readonly namespace: string;
  /** 1 error, 2 warning, 4 info, 5 debug. */
  readonly level: number;
  readonly log: Readonly<Record<string, unknown>> & { readonly message: string };
}

export interface Internals {
  readonly Connection: new (options: ConnectionOptions) => KafkajsConnection;
  readonly createLogger: (options: {
    level: number;
    logCreator: () => (entry: LogEntry) => void;
  }) => unknown;
  readonly createSocketFactory: () => unknown;
  /** Absolute paths of the modules that are replaced, and what stands there now. */
  readonly patched: Readonly<Record<"request" | "requestQueue", unknown>>;
}

let loaded: Internals | null = null;

/**
 * Loads kafkajs's connection over the patches, once.
 *
 * @throws {MillraceError} KAFKAJS_UNEXPECTED when the package is not the pinned version.
 */
export function kafkajsInternals(): Internals {
  loaded ??= load();
  return loaded;
}

function load(): Internals {
  const require = createRequire(import.meta.url);
  const packageFile = require.resolve("kafkajs/package.json");
  const { version } = require(packageFile) as { version: string };
  if (version !== expectedVersion) {
    throw new MillraceError("KAFKAJS_UNEXPECTED", { version, expected: expectedVersion });
  }
  const source = join(dirname(packageFile), "src");
  const connection = join(source, "network", "connection.js");
  const request = replace(require, join(source, "protocol", "request.js"), (original) =>
    patchedCreateRequest(original as CreateRequest),
  );
  const requestQueue = replace(
    require,
    join(source, "network", "requestQueue", "index.js"),
    (original) => patchedRequestQueue(original as Parameters<typeof patchedRequestQueue>[0]),
  );
  // Somebody may have loaded kafkajs before us: this connection is then a copy of our own.
  delete require.cache[require.resolve(connection)];
  const loggers = require(join(source, "loggers", "index.js")) as {
    createLogger: Internals["createLogger"];
  };
  return {
    Connection: patchedConnection(require(connection) as Internals["Connection"]),
    createLogger: loggers.createLogger,
    createSocketFactory: require(
      join(source, "network", "socketFactory.js"),
    ) as Internals["createSocketFactory"],
    patched: { request, requestQueue },
  };
}

function replace(
  require: NodeJS.Require,
  path: string,
  patch: (original: unknown) => unknown,
): unknown {
  const original: unknown = require(path);
  const module = require.cache[require.resolve(path)];
  if (module === undefined) {
    throw new MillraceError("KAFKAJS_UNEXPECTED", { version: path, expected: expectedVersion });
  }
  module.exports = patch(original);
  return module.exports;
}
