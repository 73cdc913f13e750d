import { randomUUID } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { Caller } from "../runtime/predict/caller.ts";
import { MillraceError } from "../schemas/errors.ts";
import { errorAnswer } from "./answers.ts";
import type { Door } from "./door.ts";
import { Gate, type GateOptions } from "./gate.ts";
import type { GatewayMetrics } from "./gateway-metrics.ts";
import type { GrpcService } from "./grpc/open-grpc.ts";
import { connectionsMost, headerBytesMost, keepAliveMs } from "./limits.ts";
import { isLoopback, type ListenAddress, shownAddress, unheard } from "./listen-address.ts";
import { methodsOfPaths } from "./methods-of-paths.ts";
import {
  decodedParts,
  originForm,
  readBody,
  requestIdOf,
  shaped,
  unpacked,
} from "./read-request.ts";

export interface GatewayOptions extends GateOptions {
  readonly address: ListenAddress;
  /** Certificate and private key, PEM; null: no TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** For messages: where the keys stand. */
  readonly keysFile: string;
  readonly doors: readonly Door[];
  /** Where gRPC is spoken, and what is answered there. @default null: nowhere */
  readonly grpc?: { readonly address: ListenAddress; readonly service: GrpcService } | null;
  /** What it waits for; empty: it is ready. */
  readonly waitingFor: () => readonly string[];
}

export interface Gateway {
  /** Where it listens, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Where it speaks gRPC, e.g. `127.0.0.1:8081`; null: nowhere. */
  readonly grpcAddress: string | null;
  readonly metrics: GatewayMetrics;
  /** Takes no more requests, answers those under way, and closes; some are cut off at the end. */
  close(): Promise<void>;
}

/**
 * Listens for requests and lets them through the doors.
 *
 * @throws {MillraceError} GATEWAY_OPEN beyond loopback without keys; PORT_IN_USE; CONFIG_INVALID
 * for an address that is none of this machine, or a certificate of no use.
 */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { address, grpc = null, tls, keys, keysFile: file, limits } = options;
  for (const { host, port } of grpc === null ? [address] : [address, grpc.address]) {
    if (isLoopback(host) || keys().isLocked) continue;
    throw new MillraceError("GATEWAY_OPEN", { address: `${host}:${port}`, file });
  }
  const gate = new Gate(options);
  const server = gatewayServer(options, gate);
  try {
    // A copy: fastify writes into what it is given.
    await server.listen({ ...address });
  } catch (cause) {
    await server.close();
    throw unheard(cause, address, "listen");
  }
  const { port } = server.server.address() as AddressInfo;
  const close = () => drain(server, gate, limits.drainMs);
  const { metrics } = gate;
  const url = `${tls === null ? "http" : "https"}://${shownAddress({ ...address, port })}`;
  if (grpc === null) return { url, grpcAddress: null, metrics, close };
  const { openGrpc } = await import("./grpc/open-grpc.ts");
  const spoken = await openGrpc({ ...grpc, tls, gate }).catch(async (error) => {
    await close();
    throw error;
  });
  const closeBoth = async () => {
    gate.isDraining = true;
    await Promise.all([close(), spoken.close()]);
  };
  return { url, grpcAddress: spoken.address, metrics, close: closeBoth };
}

async function drain(server: FastifyInstance, gate: Gate, drainMs: number): Promise<void> {
  gate.isDraining = true;
  const timer = setTimeout(() => server.server.closeAllConnections(), drainMs);
  await server.close();
  clearTimeout(timer);
}

/** @param shape - what of an error is told. @default all */
function fail(
  gate: Gate,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  shape: NonNullable<Door["errorBody"]> = (body) => body,
): FastifyReply {
  reply.header("x-request-id", request.id);
  const limitBytes = request.routeOptions.bodyLimit ?? gate.limits.bodyBytes;
  const known = knownError(error, limitBytes);
  const { status, headers, body } = gate.refused(known, request.id, doorOf(request));
  // What of the body was not read would be taken for the next request.
  if (!request.raw.complete) reply.header("connection", "close");
  return reply.status(status).headers(headers).send(shape(body));
}

/** The server of a gateway, before it listens. */
export function gatewayServer(options: GatewayOptions, gate: Gate): FastifyInstance {
  const server = fastify({
    serverFactory: (handler) => bareServer(options, handler),
    bodyLimit: options.limits.bodyBytes,
    // How long a part may be its door says, or else what a head may hold.
    routerOptions: { maxParamLength: headerBytesMost },
    return503OnClosing: false,
    forceCloseConnections: "idle",
    logger: false,
    rewriteUrl: originForm,
    genReqId: ({ headers }) => requestIdOf(headers["x-request-id"], randomUUID),
    frameworkErrors: (error, request, reply) => {
      void fail(gate, error, request, reply);
    },
  });
  server.decorateRequest("entry", null);
  server.removeAllContentTypeParsers();
  server.addContentTypeParser("*", { parseAs: "buffer" }, (_, body, done) => done(null, body));
  server.addHook("onRequest", (request, reply, done) => {
    reply.header("x-request-id", request.id);
    done();
  });
  server.addHook("onSend", (request, reply, __, done) => {
    // Who takes nothing of an answer for so long is closed; behind it Node waits as for others.
    request.raw.socket.setTimeout(gate.limits.receiveMs);
    if (gate.isDraining) reply.header("connection", "close");
    done();
  });
  server.addHook("onResponse", (request, reply, done) => {
    gate.metrics.answered(doorOf(request), reply.statusCode, reply.elapsedTime);
    done();
  });
  server.setErrorHandler((error, request, reply) => fail(gate, error, request, reply));
  const methodsOf = methodsOfPaths(server);
  server.setNotFoundHandler((request, reply) => {
    const error = unknownRoute(request, methodsOf);
    return fail(gate, error, request, reply, shapeBeside(options.doors, request));
  });
  openHealth(server, options, gate);
  for (const each of options.doors) openDoor(server, each, gate);
  return server;
}

function bareServer({ tls, limits: own }: GatewayOptions, handler: RequestListener): Server {
  const { receiveMs } = own;
  const limits = {
    ...{ maxHeaderSize: headerBytesMost, headersTimeout: receiveMs, requestTimeout: receiveMs },
    ...{ keepAliveTimeout: keepAliveMs, connectionsCheckingInterval: Math.min(1_000, receiveMs) },
  };
  const server =
    tls === null
      ? createServer(limits, handler)
      : createSecureServer({ ...limits, ...tls, minVersion: "TLSv1.2" }, handler);
  server.maxConnections = connectionsMost;
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refuseUnreadable(error, socket, receiveMs);
  });
  return server;
}

/** Paths that tell whether it is up: open to everybody, and never refused for what it has to do. */
function openHealth(server: FastifyInstance, options: GatewayOptions, gate: Gate): void {
  server.get("/health/live", () => ({ live: true }));
  // The second is where clients of Feast look.
  for (const path of ["/health/ready", "/health"]) {
    server.get(path, (_, reply) => {
      const waitingFor = gate.isDraining ? ["its end"] : options.waitingFor();
      return reply.status(waitingFor.length === 0 ? 200 : 503).send({ waitingFor });
    });
  }
}

declare module "fastify" {
  interface FastifyRequest {
    /** Null: it was not let in. */
    entry: Entry | null;
  }
}

/** A request that was let in. */
interface Entry {
  /** Id of the key that asks; null: the gateway has no keys. */
  readonly user: string | null;
  /** Lets it out, once. */
  readonly leave: () => void;
  readonly caller: Caller;
  /** Whether it counts until its work is done, and not until its connection is closed. */
  isHandled: boolean;
}

function openDoor(server: FastifyInstance, door: Door, gate: Gate): void {
  const { errorBody, scope, orScope, bodyBytes = gate.limits.bodyBytes } = door;
  server.route({
    method: door.method,
    url: door.path,
    bodyLimit: bodyBytes,
    ...(errorBody === undefined
      ? {}
      : {
          errorHandler: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
            fail(gate, error, request, reply, errorBody),
        }),
    // Before the body is read: who may not ask sends nothing.
    onRequest: async (request, reply) => {
      const user = scope === null ? null : gate.access.admit(request.headers, scope, orScope);
      const leave = gate.enter(bodyBytes > gate.limits.bodyBytes);
      const entry: Entry = { user, leave, caller: new Caller(), isHandled: false };
      request.entry = entry;
      reply.raw.once("close", () => {
        if (!entry.isHandled) leave();
        entry.caller.leave();
      });
    },
    handler: async (request, reply) => {
      const { entry } = request;
      if (entry === null) throw new RangeError("a request came past the gate");
      entry.isHandled = true;
      const handle = async () => {
        const bytes = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const encoding = request.headers["content-encoding"];
        const body = await unpacked(encoding, bytes, bodyBytes);
        return await door.handle(callOf(door, request, body, entry));
      };
      const answer = await gate.within(handle, entry.leave, entry.caller, door.requestMs);
      for (const code of answer.refused ?? []) gate.metrics.refused(code);
      return reply
        .status(answer.status ?? 200)
        .headers(answer.headers ?? {})
        .send(answer.body);
    },
  });
}

function callOf(door: Door, request: FastifyRequest, bytes: Buffer, { user, caller }: Entry) {
  const { headers, id: requestId } = request;
  const given = door.path.split("/").slice(1);
  const parts = decodedParts((request.raw.url ?? "").split("?")[0]?.slice(1) ?? "");
  const path: Record<string, string> = {};
  for (const [index, name] of given.entries()) {
    if (name.startsWith(":")) path[name.slice(1)] = parts[index] ?? "";
  }
  const rest = given.at(-1) === "*" ? parts.slice(given.length - 1) : [];
  const query = door.query === undefined ? {} : shaped(door.query, request.query, "query");
  const body = readBody(door.takes, headers["content-type"], bytes);
  const isShaped = door.body !== undefined && door.takes !== "bytes";
  const shape = isShaped ? shaped(door.body, body, "body") : body;
  return { user, requestId, path, rest, query, body: shape, headers, caller };
}

/** What Fastify refuses, in our words. */
function knownError(error: unknown, limitBytes: number): unknown {
  if (error instanceof MillraceError) return error;
  const { code = "", statusCode = 500 } = error as { code?: string; statusCode?: number };
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return new MillraceError("REQUEST_TOO_LARGE", { limitBytes });
  }
  if (statusCode >= 500 || statusCode < 400) return error;
  const where = code === "FST_ERR_BAD_URL" ? "path" : "request";
  const reason = error instanceof Error ? error.message : "it cannot be read";
  return new MillraceError("REQUEST_INVALID", { where, reason });
}

/** Clients of a protocol read errors as its doors shape them, of a path that is none as well. */
function shapeBeside(doors: readonly Door[], { raw }: FastifyRequest): Door["errorBody"] {
  const [, family] = (raw.url ?? "").split(/[/?]/);
  return doors.find((each) => each.errorBody !== undefined && each.path.split("/")[1] === family)
    ?.errorBody;
}

function unknownRoute(
  { method, raw }: FastifyRequest,
  methodsOf: (path: string) => readonly string[],
): MillraceError {
  const whole = (raw.url ?? "").split(/[?#]/)[0] ?? "";
  const path = whole.slice(0, 200);
  const methods = methodsOf(whole);
  if (methods.length === 0 || methods.includes(method)) {
    return new MillraceError("ROUTE_UNKNOWN", { method, path, where: "path" });
  }
  const allowed = methods.join(", ");
  return new MillraceError("METHOD_NOT_ALLOWED", { method, path, allowed, where: "method" });
}

/** What is no HTTP, too large a head, or too slow. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex, receiveMs: number): void {
  if (!socket.writable) return;
  const isLarge = error.code === "HPE_HEADER_OVERFLOW";
  const isSlow = error.code === "ERR_HTTP_REQUEST_TIMEOUT";
  const [status, reason] = isLarge
    ? ["431 Request Header Fields Too Large", `the headers take more than ${headerBytesMost} bytes`]
    : isSlow
      ? ["408 Request Timeout", `it was not there whole within ${receiveMs} ms`]
      : ["400 Bad Request", "it is no HTTP/1.1"];
  const refused = new MillraceError("REQUEST_INVALID", {
    where: "request",
    reason: String(reason),
  });
  const body = JSON.stringify(errorAnswer(refused).body);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** The template of its path, for metrics and the log. */
function doorOf(request: FastifyRequest): string {
  return request.is404 ? "none" : (request.routeOptions.url ?? "none");
}
