import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MillraceError } from "../../schemas/errors.ts";
import { createMemoryRegistry } from "./embedded.ts";

export type Answer = (response: ServerResponse) => void;

/** A registry with Confluent's HTTP interface, which can be told to answer otherwise. */
export interface RegistryServer {
  readonly url: string;
  readonly registry: ReturnType<typeof createMemoryRegistry>;
  /** By path, e.g. `/schemas/ids/7`: what is answered there instead. */
  readonly instead: Map<string, Answer>;
  /** How often each path was asked for. */
  readonly asked: Map<string, number>;
  close(): Promise<void>;
}

export async function startRegistryServer(): Promise<RegistryServer> {
  const registry = createMemoryRegistry();
  const instead = new Map<string, Answer>();
  const asked = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "");
    asked.set(path, (asked.get(path) ?? 0) + 1);
    const other = instead.get(path);
    if (other !== undefined) other(response);
    else answer(registry, path, request, response).catch((error) => response.destroy(error));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    registry,
    instead,
    asked,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Answers with JSON. */
export function json(status: number, body: unknown): Answer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/vnd.schemaregistry.v1+json" });
    response.end(JSON.stringify(body));
  };
}

const missing = json(404, { error_code: 40403, message: "not found" });

async function answer(
  registry: RegistryServer["registry"],
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, room, name = "", part, version] = path.split("/");
  if (room === "config") return json(200, { compatibilityLevel: "BACKWARD" })(response);
  if (request.method === "POST") {
    const { schema } = JSON.parse(await textOf(request)) as { schema: string };
    try {
      const id = await registry.register(name, JSON.parse(schema));
      return json(200, { id })(response);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return json(409, { error_code: 409, message: error.message })(response);
    }
  }
  if (room === "subjects" && version === "latest") {
    const latest = await registry.latest(name);
    if (latest === null) return missing(response);
    const { id, schema } = latest;
    return json(200, { subject: name, id, version: 1, schema: JSON.stringify(schema) })(response);
  }
  if (version?.startsWith("versions")) {
    const subjects = await registry.subjectsOf(Number(part));
    return json(
      200,
      subjects.map((subject) => ({ subject, version: 1 })),
    )(response);
  }
  const known = room === "schemas" ? await registry.schemaById(Number(part)) : null;
  if (known === null) return missing(response);
  json(200, { schema: JSON.stringify(known.schema) })(response);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
