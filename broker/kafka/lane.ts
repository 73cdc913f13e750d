import type { KafkaConfig, SASLOptions } from "kafkajs";
import { MillraceError } from "../../schemas/errors.ts";
import type { KafkaLogger } from "./connection-log.ts";
import { connectionLogger } from "./connection-log.ts";
import {
  type ApiVersions,
  type KafkajsCall,
  type KafkajsConnection,
  kafkajsInternals,
} from "./kafkajs-internals.ts";
import { apis, type KafkaRequest } from "./requests/kafka-request.ts";
import { apiVersionsRequest, type NodeAddress } from "./requests/metadata.ts";
import { WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";

/** How connections are made; the same for every node. */
export interface ConnectionSettings {
  readonly clientId: string;
  readonly ssl: KafkaConfig["ssl"] | null;
  readonly sasl: SASLOptions | null;
  readonly logger: KafkaLogger | undefined;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

const saslAuthenticateKey = 36;

/** What kafkajs throws while it logs in; codes of all other answers are read by us. */
const loginErrors: ReadonlySet<string> = new Set([
  "KafkaJSSASLAuthenticationError",
  "KafkaJSProtocolError",
]);

/**
 * One connection a node, opened on first use. A broker answers the requests of a connection one
 * after another, so whatever may wait (a fetch, a join) has a lane of its own. A connection that
 * failed or timed out is dropped; the next request opens another.
 */
export class Lane {
  readonly #settings: ConnectionSettings;
  readonly #connections = new Map<string, Promise<KafkajsConnection>>();
  #closed = false;

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
  }

  /**
   * Sends one request to one node.
   *
   * @throws {MillraceError} BROKER_UNAVAILABLE when no answer came (whether the broker acted is
   * unknown), BROKER_LOGIN, BROKER_TOO_OLD, BROKER_CLOSED.
   */
  async send<T>(address: NodeAddress, request: KafkaRequest<T>): Promise<T> {
    const place = `${address.host}:${address.port}`;
    if (this.#closed) {
      throw new MillraceError("BROKER_CLOSED", { request: request.api.name });
    }
    let opening = this.#connections.get(place);
    if (opening === undefined) {
      opening = this.#open(address);
      this.#connections.set(place, opening);
    }
    let connection: KafkajsConnection | null = null;
    try {
      connection = await opening;
      return await connection.send(callOf(request, this.#settings.requestTimeoutMs));
    } catch (error) {
      if (this.#connections.get(place) === opening) {
        this.#connections.delete(place);
      }
      if (connection !== null) {
        await drop(connection);
      }
      throw this.#errorOf(error, place, request);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await Promise.allSettled(this.#connections.values());
    this.#connections.clear();
    await Promise.all(
      open.map((each) => (each.status === "fulfilled" ? drop(each.value) : undefined)),
    );
  }

  async #open({ host, port }: NodeAddress): Promise<KafkajsConnection> {
    const { Connection, createSocketFactory } = kafkajsInternals();
    const { clientId, ssl, sasl, logger, requestTimeoutMs, connectTimeoutMs } = this.#settings;
    const connection = new Connection({
      host,
      port,
      clientId,
      ssl,
      sasl: sasl === null ? null : { ...sasl },
      logger: connectionLogger(logger),
      socketFactory: createSocketFactory(),
      requestTimeout: requestTimeoutMs,
      connectionTimeout: connectTimeoutMs,
    });
    try {
      await connection.connect();
      const versions = await connection.send(callOf(apiVersionsRequest(), requestTimeoutMs));
      refuseOldBroker(versions, `${host}:${port}`);
      connection.setVersions(versions);
      connection.setSupportAuthenticationProtocol(versions[saslAuthenticateKey] !== undefined);
      await connection.authenticate();
      return connection;
    } catch (error) {
      await drop(connection);
      throw error;
    }
  }

  #errorOf(error: unknown, broker: string, request: KafkaRequest<unknown>): MillraceError {
    if (error instanceof MillraceError) {
      return error;
    }
    const { name, message } = error as Error;
    if (this.#closed) {
      return new MillraceError("BROKER_CLOSED", { request: request.api.name });
    }
    if (loginErrors.has(name)) {
      return new MillraceError("BROKER_LOGIN", { broker, reason: message }, { cause: error });
    }
    const timeoutMs = this.#settings.requestTimeoutMs + (request.waitMs ?? 0);
    const context = { request: request.api.name, reason: message, timeoutMs, brokers: broker };
    return new MillraceError("BROKER_UNAVAILABLE", context, { cause: error });
  }
}

const dropped = new WeakSet<KafkajsConnection>();

/**
 * Ends a connection at once: what is in flight is rejected, not waited for. Each request that was
 * in flight asks for it, and once is enough: a socket that is gone keeps a listener of each more.
 */
async function drop(connection: KafkajsConnection): Promise<void> {
  if (dropped.has(connection)) return;
  dropped.add(connection);
  connection.rejectRequests(new Error("the connection was closed"));
  await connection.disconnect();
  connection.socket?.destroy();
}

function refuseOldBroker(versions: ApiVersions, broker: string): void {
  for (const api of Object.values(apis)) {
    const offered = versions[api.key];
    if (
      offered === undefined ||
      offered.maxVersion < api.version ||
      (offered.minVersion > api.version && api.key !== apis.apiVersions.key)
    ) {
      throw new MillraceError("BROKER_TOO_OLD", {
        broker,
        request: api.name,
        version: api.version,
        offered: offered ? `${offered.minVersion} to ${offered.maxVersion}` : "none",
      });
    }
  }
}

function callOf<T>(request: KafkaRequest<T>, requestTimeoutMs: number): KafkajsCall<T> {
  const { api } = request;
  return {
    request: {
      apiKey: api.key,
      apiVersion: api.version,
      apiName: api.name,
      encodeWire(correlationId, clientId) {
        const writer = new WireWriter(request.sizeHint ?? 512);
        writer.int32(0);
        writer.int16(api.key);
        writer.int16(api.version);
        writer.int32(correlationId);
        writer.string(clientId);
        if (api.flexible) {
          writer.noTags();
        }
        request.write(writer);
        return writer.finish();
      },
    },
    response: {
      decode(payload) {
        const reader = new WireReader(payload);
        if (api.flexible) {
          reader.skipTags();
        }
        const value = request.read(reader);
        return { clientSideThrottleTime: reader.throttleMs, value };
      },
      parse: ({ value }) => value,
    },
    requestTimeout: requestTimeoutMs + (request.waitMs ?? 0),
    logResponseError: false,
  };
}
