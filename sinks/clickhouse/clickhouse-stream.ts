import type { ResponseHeaders } from "@clickhouse/client";
import { offlineQueryError } from "../offline-error.ts";

/** The server cuts an exception at 16 KiB. */
const exceptionBytesMax = 32 * 1024;

/**
 * Hands on a result chunk by chunk. A query that fails after its first rows has the status of one
 * that succeeds: then its exception stands at the end of the rows, behind a tag that the headers
 * name (ClickHouse 25.11 and newer), and is never handed on as rows.
 *
 * @throws {MillraceError} what {@link offlineQueryError} makes of the exception.
 */
export async function passOn(
  stream: AsyncIterable<unknown>,
  headers: ResponseHeaders | undefined,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  const tag = headers?.["x-clickhouse-exception-tag"];
  // What may be an exception waits until more has come.
  let tail = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      if (typeof tag !== "string") onChunk(chunk as Buffer);
      else tail = cut(Buffer.concat([tail, chunk as Buffer]), onChunk);
    }
  } catch (error) {
    refuse(tail, String(tag));
    throw error;
  }
  refuse(tail, String(tag));
  if (tail.length > 0) onChunk(tail);
}

function cut(bytes: Buffer, onChunk: (chunk: Buffer) => void): Buffer<ArrayBuffer> {
  const at = Math.max(0, bytes.length - exceptionBytesMax);
  if (at > 0) onChunk(bytes.subarray(0, at));
  return Buffer.from(bytes.subarray(at));
}

/** `\r\n__exception__\r\nTAG\r\nMESSAGE\nBYTES TAG\r\n__exception__\r\n`. */
function refuse(tail: Buffer, tag: string): void {
  const start = `\r\n__exception__\r\n${tag}\r\n`;
  const at = tail.lastIndexOf(start);
  if (at < 0) return;
  const message = tail.toString("utf8", at + start.length).replace(/\n\d+ [^\n]*\r\n[\s\S]*$/, "");
  throw offlineQueryError(message);
}
