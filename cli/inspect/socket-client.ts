import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type ErrorCode, errorOf, MillraceError } from "../../schemas/errors.ts";
import { type Inspector, inspectorMethods } from "../../serving/inspector.ts";
import {
  maxMessageBytes,
  messageLine,
  type ResponseMessage,
  readMessages,
} from "../../serving/message.ts";
import { socketAddress, socketPath } from "./socket-path.ts";

/** Asks the run that owns a data directory; null when none is listening. */
export async function connectInspector(directory: string): Promise<Inspector | null> {
  if (!existsSync(socketPath(directory))) return null;
  const socket = connect(socketAddress(directory));
  const connected = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  return connected ? remoteInspector(socket) : null;
}

interface Waiter {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

function remoteInspector(socket: Socket): Inspector {
  const waiting = new Map<number, Waiter>();
  let last = 0;
  readMessages(socket, maxMessageBytes, (message) => {
    const response = message as ResponseMessage;
    const waiter = waiting.get(response.id);
    waiting.delete(response.id);
    if ("result" in response) waiter?.resolve(response.result);
    else waiter?.reject(remoteError(response.error.code as ErrorCode, response.error.message));
  });
  const end = () => {
    const ended = new MillraceError("INSPECT_REFUSED", { reason: "the run ended meanwhile" });
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  socket.on("error", end);
  socket.on("close", end);
  const ask = (method: string) => (request: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      socket.write(messageLine({ id, method, request }));
    });
  const methods = Object.fromEntries(inspectorMethods.map((method) => [method, ask(method)]));
  return {
    ...(methods as unknown as Omit<Inspector, "close">),
    close: () => new Promise((resolve) => socket.end(() => resolve())),
  };
}

/** An error of the run, with the message that it has there. */
function remoteError(code: ErrorCode, message: string): MillraceError {
  return Object.assign(errorOf(code, {}), { message });
}
