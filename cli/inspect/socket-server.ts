import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { MillraceError } from "../../schemas/errors.ts";
import { type Inspector, type InspectorMethod, inspectorMethods } from "../../serving/inspector.ts";
import {
  maxMessageBytes,
  messageLine,
  type RequestMessage,
  type ResponseMessage,
  readMessages,
} from "../../serving/message.ts";
import { socketAddress, socketPath } from "./socket-path.ts";

/** Longest request; they are small. */
const maxRequestBytes = 1024 * 1024;

const maxConnections = 16;

/**
 * Answers questions about a run on a Unix socket in its data directory, owner-only. The caller
 * holds the directory's lock: a socket found there is a dead run's.
 */
export async function serveInspector(
  inspector: Inspector,
  directory: string,
): Promise<{ close(): Promise<void> }> {
  const path = socketPath(directory);
  rmSync(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    readMessages(socket, maxRequestBytes, (message) => {
      void answer(inspector, message).then((response) => send(socket, response));
    });
  });
  server.maxConnections = maxConnections;
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketAddress(directory), resolve);
    });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

async function answer(inspector: Inspector, message: unknown): Promise<ResponseMessage> {
  const { id = 0, method = "", request = {} } = (message ?? {}) as Partial<RequestMessage>;
  try {
    const known = inspectorMethods.find((each) => each === method);
    if (known === undefined) {
      throw new MillraceError("INSPECT_REFUSED", { reason: `there is no "${method}"` });
    }
    return { id, result: await call(inspector, known, request) };
  } catch (error) {
    const code = error instanceof MillraceError ? error.code : "INSPECT_REFUSED";
    return { id, error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
}

/** The two sides are one program: a request has the shape that its method takes. */
function call(inspector: Inspector, method: InspectorMethod, request: unknown): Promise<unknown> {
  return inspector[method](request as never);
}

function send(socket: Socket, response: ResponseMessage): void {
  // Text of that size is not even written as JSON, which may be six times as long.
  const isHuge =
    "result" in response &&
    typeof response.result === "string" &&
    response.result.length > maxMessageBytes;
  const line = isHuge ? null : messageLine(response);
  if (line !== null && line.length <= maxMessageBytes) socket.write(line);
  else {
    const message = "The answer is longer than 64 MB: ask for less, or open --http.";
    socket.write(messageLine({ id: response.id, error: { code: "INSPECT_REFUSED", message } }));
  }
}
