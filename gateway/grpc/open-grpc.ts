import { once } from "node:events";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { Caller } from "../../runtime/predict/caller.ts";
import type { Gate } from "../gate.ts";
import type { Scope } from "../keys/api-key.ts";
import { connectionsMost, keepAliveMs } from "../limits.ts";
import { type ListenAddress, shownAddress, unheard } from "../listen-address.ts";
import { invalid } from "../read-request.ts";
import { admission, entryOf } from "./admission.ts";
import { refusalOf } from "./refusal.ts";

/** A request as a method gets it. */
export interface GrpcCall {
  /** Id of the key that asks; null: the gateway has no keys. */
  readonly user: string | null;
  readonly requestId: string;
  /** How long its client still waits, ms; Infinity: as long as it takes. */
  readonly deadlineMs: number;
  /** Has left once the call is cancelled or over. */
  readonly caller: Caller;
}

/** One way in: a method that is asked one message and gives one. */
export interface GrpcDoor {
  /** Null: open to everybody. */
  readonly scope: Scope | null;
  /** @param request - the message, as the definition of the service has it. */
  readonly handle: (request: never, call: GrpcCall) => Promise<object> | object;
}

/** Methods of a service by their names; others of its definition are UNIMPLEMENTED. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly doors: Readonly<Record<string, GrpcDoor>>;
}

export interface GrpcOptions {
  readonly address: ListenAddress;
  /** Certificate and private key, PEM; null: no TLS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly service: GrpcService;
  readonly gate: Gate;
}

export interface GrpcListener {
  /** `host:port`, as clients write it. */
  readonly address: string;
  /** Takes no more requests, answers those under way, and closes; some are cut off at the end. */
  close(): Promise<void>;
}

/** How long a connection is held whose client does not answer a ping, ms. */
const pingMs = 20_000;

/**
 * Listens for gRPC, and lets calls through the gate to the doors of a service.
 *
 * @throws {MillraceError} PORT_IN_USE, CONFIG_INVALID.
 */
export async function openGrpc({
  address,
  tls,
  service,
  gate,
}: GrpcOptions): Promise<GrpcListener> {
  const { bodyBytes, requestsAtOnce, drainMs } = gate.limits;
  const server = new Server({
    "grpc.max_receive_message_length": bodyBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": requestsAtOnce,
    "grpc.max_connection_idle_ms": keepAliveMs,
    "grpc.keepalive_time_ms": keepAliveMs,
    "grpc.keepalive_timeout_ms": pingMs,
    "grpc.enable_channelz": 0,
    interceptors: [admission(scopesOf(service), gate)],
  });
  for (const [name, door] of Object.entries(service.doors)) {
    const { path, requestDeserialize, responseSerialize } = methodOf(service, name);
    const handler = (call: ServerUnaryCall<Buffer, object>, done: sendUnaryData<object>) => {
      void answer({ door, path, read: requestDeserialize }, gate, call, done);
    };
    // Messages are read by us: what is none of its type is told as any bad request.
    server.register(path, handler, responseSerialize, (bytes: Buffer) => bytes, "unary");
  }
  const injector = server.createConnectionInjector(credentialsOf(tls));
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    injector.injectConnection(socket);
  });
  listener.maxConnections = connectionsMost;
  await listen(listener, address);
  const { port } = listener.address() as AddressInfo;
  return {
    address: shownAddress({ ...address, port }),
    close: async () => {
      gate.isDraining = true;
      const closed = once(listener, "close");
      listener.close();
      const timer = setTimeout(() => {
        server.forceShutdown();
        for (const socket of sockets) socket.destroy();
      }, drainMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
      clearTimeout(timer);
    },
  };
}

function credentialsOf(tls: GrpcOptions["tls"]): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  const pair = { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) };
  return ServerCredentials.createSsl(null, [pair]);
}

async function listen(server: NetServer, address: ListenAddress): Promise<void> {
  try {
    server.listen({ ...address });
    await once(server, "listening");
  } catch (cause) {
    throw unheard(cause, address, "listenGrpc");
  }
}

function methodOf({ definition }: GrpcService, name: string) {
  const found = definition[name];
  if (found === undefined) throw new RangeError(`the service has no method ${name}`);
  return found;
}

function scopesOf(service: GrpcService): ReadonlyMap<string, Scope | null> {
  const named = Object.entries(service.doors);
  return new Map(named.map(([name, { scope }]) => [methodOf(service, name).path, scope]));
}

interface Opened {
  readonly door: GrpcDoor;
  readonly path: string;
  readonly read: (bytes: Buffer) => unknown;
}

async function answer(
  { door, path, read }: Opened,
  gate: Gate,
  call: ServerUnaryCall<Buffer, object>,
  done: sendUnaryData<object>,
): Promise<void> {
  const { user, requestId, caller, begin } = entryOf(call.metadata);
  try {
    const deadlineMs = Number(call.getDeadline()) - Date.now();
    const asked = { user, requestId, deadlineMs, caller };
    const request = message(read, call.request) as never;
    done(null, await gate.within(async () => await door.handle(request, asked), begin(), caller));
  } catch (error) {
    done(refusalOf(gate.refused(error, requestId, path)));
  }
}

function message(read: Opened["read"], bytes: Buffer): unknown {
  try {
    return read(bytes);
  } catch {
    return invalid("message", "it is none of the method's type");
  }
}
