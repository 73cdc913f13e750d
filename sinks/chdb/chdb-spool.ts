import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { MillraceError } from "../../schemas/errors.ts";
import { quoteText } from "../../schemas/sql-text.ts";
import { insertPrefixLength, type ScannedStatement, scanStatement } from "../statement.ts";
import type { ChdbEngine } from "./chdb-engine.ts";

/** A request on disk: its one statement, and the file with the rows of an INSERT. */
export interface SpooledRequest {
  readonly statement: ScannedStatement;
  readonly file: string | null;
  remove(): Promise<void>;
}

/** Spooled blocks: what a killed process left is removed on the next start. */
export const spoolPrefix = "block-";

/** Removes what a process that was killed left behind; nobody else may use the directory. */
export async function clearSpool(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.startsWith(spoolPrefix)) await rm(join(directory, name), { force: true });
  }
}

/** A statement may be this long, in bytes; rows behind an INSERT any length. */
const statementBytesMax = 1 << 20;

/**
 * Writes the body of a request to disk, unpacked, and tells statement and rows apart. Clients send
 * the statement in the URL with the rows as the body, or both in one body, packed or not.
 */
export async function spoolRequest(
  engine: ChdbEngine,
  directory: string,
  request: IncomingMessage,
  query: string,
  maxBytes: number,
): Promise<SpooledRequest> {
  const files: string[] = [];
  const newFile = (): string => {
    const file = join(directory, `${spoolPrefix}${randomUUID()}.http`);
    files.push(file);
    return file;
  };
  const remove = async (): Promise<void> => {
    for (const file of files) await rm(file, { force: true });
  };
  try {
    const body = newFile();
    const target = createWriteStream(body, { mode: 0o600, flags: "wx" });
    await pipeline([request, ...unpackers(request), limited(maxBytes), target]);
    const file = await unpackByEngine(engine, request, body, newFile, maxBytes);
    const found = await separate(file, query, newFile);
    return { ...found, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function separate(
  body: string,
  query: string,
  newFile: () => string,
): Promise<Omit<SpooledRequest, "remove">> {
  const { size } = await stat(body);
  if (query.trim() !== "") {
    const statement = scanStatement(query);
    if (statement.body !== null) return { statement, file: body };
    if (size === 0) return { statement, file: null };
  }
  const head = await headOf(body, Math.min(size, statementBytesMax));
  const insert = insertPrefix(head);
  if (query.trim() === "" && insert !== null) {
    const rows = newFile();
    await pipeline(
      createReadStream(body, { start: insert.bytes }),
      createWriteStream(rows, { mode: 0o600, flags: "wx" }),
    );
    return { statement: scanStatement(insert.text), file: rows };
  }
  if (size > statementBytesMax) {
    throw new Error(
      `Code: 62. DB::Exception: the statement is longer than ${statementBytesMax} bytes`,
    );
  }
  return { statement: scanStatement(`${query}\n${await readFile(body, "utf8")}`), file: null };
}

function insertPrefix(head: Buffer): { readonly text: string; readonly bytes: number } | null {
  const bytes = insertPrefixLength(head.toString("latin1"));
  return bytes === null ? null : { text: head.toString("utf8", 0, bytes), bytes };
}

/** Passes bytes on up to a limit: a body that unpacks to more is refused before it is on disk. */
function limited(limit: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > limit) done(new MillraceError("OFFLINE_TOO_LARGE", { limit }));
      else done(null, chunk);
    },
  });
}

function unpackers(request: IncomingMessage): Transform[] {
  switch (request.headers["content-encoding"]) {
    case "gzip":
      return [createGunzip()];
    case "deflate":
      return [createInflate()];
    case "br":
      return [createBrotliDecompress()];
    default:
      return [];
  }
}

/** lz4 and zstd, which Node lacks, are unpacked by the engine itself. */
async function unpackByEngine(
  engine: ChdbEngine,
  request: IncomingMessage,
  packed: string,
  newFile: () => string,
  maxBytes: number,
): Promise<string> {
  const encoding = request.headers["content-encoding"] ?? "";
  if (encoding !== "lz4" && encoding !== "zstd") return packed;
  const file = newFile();
  const source = `file(${quoteText(packed)}, 'RawBLOB', 'd String', ${quoteText(encoding)})`;
  const handle = await open(file, "wx", 0o600);
  try {
    // The engine has the text in memory twice at most while it grows.
    const settings = { max_memory_usage: 4 * maxBytes };
    const unpacked = await engine.run(`SELECT d FROM ${source}`, "RawBLOB", settings);
    if (unpacked.length > maxBytes) {
      throw new MillraceError("OFFLINE_TOO_LARGE", { limit: maxBytes });
    }
    await handle.write(unpacked);
  } finally {
    await handle.close();
  }
  return file;
}

async function headOf(file: string, bytes: number): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const head = Buffer.alloc(bytes);
    await handle.read(head, 0, bytes, 0);
    return head;
  } finally {
    await handle.close();
  }
}
