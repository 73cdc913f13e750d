import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type ChannelOptions,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { packageRoot } from "../../schemas/package-root.ts";
import type { Gateway } from "../open-gateway.ts";

const file = join(packageRoot(), "gateway", "oip", "open_inference.proto");
const loaded = loadPackageDefinition(
  loadSync(file, { keepCase: true, longs: Number, defaults: true, oneofs: true }),
) as unknown as { inference: { GRPCInferenceService: ServiceClientConstructor } };
export const inference = loaded.inference.GRPCInferenceService;

export type Message = Record<string, unknown>;
export interface Told {
  readonly message: Message;
  readonly requestId: string;
}
export type Ask = (method: string, message: unknown, asking?: Asking) => Promise<Told>;
export interface Asking {
  readonly metadata?: Record<string, string>;
  readonly deadline?: number;
}

const clients: { close(): void }[] = [];

export function closeClients(): void {
  for (const each of clients) each.close();
}

/** Asks a gateway; bytes go out as they are. */
export function client(of: Gateway, options: ChannelOptions = {}, secure?: Buffer): Ask {
  const how = secure === undefined ? credentials.createInsecure() : credentials.createSsl(secure);
  const opened = new inference(String(of.grpcAddress), how, {
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
  clients.push(opened);
  const { service } = inference;
  return (method, message, { metadata = {}, deadline } = {}) =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = service[method] as never as {
        path: string;
        requestSerialize: (value: unknown) => Buffer;
        responseDeserialize: (bytes: Buffer) => Message;
      };
      const sent = new Metadata();
      for (const [name, value] of Object.entries(metadata)) sent.set(name, value);
      let requestId = "";
      const serialize = (value: unknown) =>
        Buffer.isBuffer(value) ? value : requestSerialize(value);
      const call = opened.makeUnaryRequest(
        ...[path, serialize, responseDeserialize, message, sent],
        deadline === undefined ? {} : { deadline: Date.now() + deadline },
        (error: ServiceError | null, answer?: Message) => {
          if (error !== null) reject(error);
          else resolve({ message: answer ?? {}, requestId });
        },
      );
      call.on("metadata", (given) => {
        requestId = String(given.get("x-request-id")[0]);
      });
    });
}

/** Status, our code and text of a call that is refused. */
export async function refusal(asked: Promise<unknown>): Promise<[string, unknown, string]> {
  try {
    await asked;
  } catch (error) {
    const { code, details, metadata } = error as ServiceError;
    return [status[code] ?? "", metadata.get("millrace-code")[0], details];
  }
  return assert.fail("it was not refused");
}
