import type { Socket } from "node:net";
import { MillraceError } from "../schemas/errors.ts";

/** One line of JSON either way: a request, and its response under the same id. */
export interface RequestMessage {
  readonly id: number;
  readonly method: string;
  readonly request: unknown;
}

export type ResponseMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };

/** Longest line taken, either way. */
export const maxMessageBytes = 64 * 1024 * 1024;

/** Calls `onMessage` for each line; a longer one than the limit ends the connection. */
export function readMessages(
  socket: Socket,
  limitBytes: number,
  onMessage: (message: unknown) => void,
): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]).toString("utf8");
      parts = [];
      bytes = 0;
      start = end + 1;
      onMessage(parse(line));
    }
    const rest = chunk.subarray(start);
    bytes += rest.length;
    if (bytes > limitBytes) {
      socket.destroy(new MillraceError("INSPECT_REFUSED", { reason: "the message is too long" }));
    } else if (rest.length > 0) parts.push(rest);
  });
}

/** A message as it is sent. */
export function messageLine(message: RequestMessage | ResponseMessage): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}

/** Undefined when it is no JSON. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
