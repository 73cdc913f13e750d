import { type Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { request as tlsRequest } from "node:https";

/** What a registry, or whatever stands in front of it, has answered. */
export interface RegistryAnswer {
  readonly status: number;
  /** What stood in it as JSON; undefined where that was none. */
  readonly body: unknown;
}

export interface RegistryRequest {
  /** @default GET */
  readonly method?: "GET" | "POST" | "PUT";
  /** Sent as JSON. @default nothing */
  readonly body?: unknown;
  readonly agent: Agent;
  readonly auth?: { readonly username: string; readonly password: string };
  readonly signal: AbortSignal;
}

/** Largest answer that is read; schemas have some kilobytes. */
export const answerLimitBytes = 16 * 1024 * 1024;

const jsonType = "application/vnd.schemaregistry.v1+json";

/**
 * One request to a registry with Confluent's interface. Redirections are not
 * followed: a password would go with them.
 *
 * @throws {Error} when no whole answer comes, or too large a one.
 */
export async function registryRequest(
  url: string,
  { method = "GET", body, agent, auth, signal }: RegistryRequest,
): Promise<RegistryAnswer> {
  const login = auth === undefined ? {} : { auth: `${auth.username}:${auth.password}` };
  const headers = {
    accept: `${jsonType}, application/json`,
    ...(body === undefined ? {} : { "content-type": jsonType }),
  };
  const options = { method, agent, signal, headers, ...login };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.startsWith("https:") ? tlsRequest : httpRequest;
    const sent = send(url, options, resolve).on("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > answerLimitBytes) {
      response.destroy();
      throw new Error(`the answer has more than ${answerLimitBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks).toString()) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
