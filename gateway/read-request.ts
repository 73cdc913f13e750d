import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { z } from "zod";
import { MillraceError } from "../schemas/errors.ts";
import type { BodyKind } from "./door.ts";

/** A text that a client may name its requests with: what it is not is no use in a log. */
const sane = /^[\w.:/+=-]{1,128}$/;

/** The id of a request: the one that its client gave it where that is sane, else a new one. */
export function requestIdOf(given: unknown, make: () => string): string {
  return typeof given === "string" && sane.test(given) ? given : make();
}

/** @throws {MillraceError} REQUEST_INVALID. */
export function invalid(where: string, reason: string): never {
  throw new MillraceError("REQUEST_INVALID", { where, reason });
}

const absolute = /^https?:\/\/([^/?#]*)/i;

/**
 * What a request names, as paths are read here: a client that takes the gateway for its proxy
 * writes the whole URL, and its host stands for that of the header (RFC 9112, 3.2.2).
 */
export function originForm(request: Pick<IncomingMessage, "url" | "headers">): string {
  const { url = "/", headers } = request;
  const [found, host] = absolute.exec(url) ?? [];
  if (found === undefined || host === undefined) return url;
  headers.host = host;
  const path = url.slice(found.length);
  return path.startsWith("/") ? path : `/${path}`;
}

/** Parts of a path as they are meant. @throws {MillraceError} REQUEST_INVALID. */
export function decodedParts(path: string): string[] {
  return path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return invalid("path", `${JSON.stringify(part)} is no URL encoding of UTF-8`);
    }
  });
}

/** A value in the shape that a schema says. @throws {MillraceError} REQUEST_INVALID. */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  const { path, message } = first === undefined ? unreadable : toldBy(first);
  const parts = path.map((each) => (typeof each === "number" ? `[${each}]` : `.${String(each)}`));
  return invalid(`${where}${parts.join("")}`, message);
}

interface Told {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const unreadable: Told = { path: [], message: "it cannot be read" };

/** Of one of several shapes what the shape says that comes closest: without it nothing is said. */
function toldBy(issue: z.core.$ZodIssue): Told {
  const { path, message } = issue;
  if (issue.code !== "invalid_union" || message !== "Invalid input") return { path, message };
  const inner = issue.errors.flatMap(([first]) => (first === undefined ? [] : [toldBy(first)]));
  const depth = Math.max(0, ...inner.map((each) => each.path.length));
  // The last of those that go deepest: the plainest shape stands last.
  const closest = inner.findLast((each) => each.path.length === depth);
  return closest === undefined
    ? { path, message }
    : { path: [...path, ...closest.path], message: closest.message };
}

const unpackers = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/**
 * The bytes of a body as they were before they were packed.
 *
 * @param limitBytes - of them; unpacking ends there.
 * @throws {MillraceError} REQUEST_UNSUPPORTED, REQUEST_TOO_LARGE, REQUEST_INVALID.
 */
export async function unpacked(
  encoding: string | undefined,
  bytes: Buffer,
  limitBytes: number,
): Promise<Buffer> {
  const found = (encoding ?? "identity").trim().toLowerCase();
  if (found === "identity" || found === "") return bytes;
  const unpack = found === "gzip" || found === "deflate" ? unpackers[found] : null;
  if (unpack === null) {
    const shown = `the content encoding ${found.slice(0, 60)}`;
    throw new MillraceError("REQUEST_UNSUPPORTED", { found: shown, expected: "gzip or deflate" });
  }
  try {
    return await unpack(bytes, { maxOutputLength: limitBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new MillraceError("REQUEST_TOO_LARGE", { limitBytes });
    }
    return invalid("body", `it is no ${found}`);
  }
}

/** Lines of JSON, one value each. */
export const linesType = "application/x-ndjson";

/**
 * What a body says.
 *
 * @throws {MillraceError} REQUEST_INVALID, REQUEST_UNSUPPORTED.
 */
export function readBody(kind: BodyKind, type: string | undefined, bytes: Buffer): unknown {
  if (kind === "none") return undefined;
  if (kind === "bytes") return bytes;
  const expected = kind === "value" ? "application/json" : `application/json or ${linesType}`;
  const found = (type ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const isLines = found === linesType || found === "application/jsonl";
  if (isLines && kind === "value-or-lines") {
    const lines = textOf(bytes).split(/\r?\n/);
    return lines.flatMap((line, index) =>
      line.trim() === "" ? [] : [parsed(line, `body, line ${index + 1}`)],
    );
  }
  if (found !== "application/json" && !/^application\/[\w.-]+\+json$/.test(found)) {
    const shown = found === "" ? "no content type" : found.slice(0, 60);
    throw new MillraceError("REQUEST_UNSUPPORTED", { found: shown, expected });
  }
  return parsed(textOf(bytes), "body");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function textOf(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return invalid("body", "it is no UTF-8");
  }
}

/** Objects and lists within each other: as of a source of JSON. */
const depthMost = 256;

function parsed(text: string, where: string): unknown {
  if (text.trim() === "") return invalid(where, "it is empty: send JSON");
  if (isDeep(text)) return invalid(where, `it nests deeper than ${depthMost}`);
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = /at position (\d+)/.exec(String(error))?.[1];
    return invalid(where, at === undefined ? "it is no JSON" : `it is no JSON at character ${at}`);
  }
}

/** Whether JSON nests deeper than anything here is read: what goes down into it has a stack. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = endOfText(text, at);
    // Of both kinds, the brackets alone have these bits.
    else if ((code | 0x20) === 0x7b && ++depth > depthMost) return true;
    else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}

/** Where the text ends that begins with the quote there. */
function endOfText(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) at += text[at] === "\\" ? 2 : 1;
  return at;
}
