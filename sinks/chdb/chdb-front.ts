import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Session } from "chdb";
import { fromElsewhere } from "../../schemas/from-elsewhere.ts";
import { clickHouseCode } from "../offline-error.ts";
import { readOnlySettings, requireReading } from "../statement.ts";
import type { ChdbEngine, QuerySettings } from "./chdb-engine.ts";
import { FrontSessions } from "./chdb-front-sessions.ts";
import { parametersOf, type RequestParameters } from "./chdb-parameters.ts";
import { type SpooledRequest, spoolRequest } from "./chdb-spool.ts";
import { FrontGate } from "./front-gate.ts";
import { FrontGuard } from "./front-guard.ts";
import { frontPassword, isAllowed } from "./front-password.ts";

export interface ChdbFrontOptions {
  /** 0 for any. */
  readonly port: number;
  /** Where request bodies wait. */
  readonly spoolDirectory: string;
  /** Owner-only file with the password of the one user; made if missing. */
  readonly passwordFile: string;
  /** Bytes of a request's body, unpacked; a larger one is refused. @default 268435456 */
  readonly maxBodyBytes?: number;
}

/** A listening HTTP front. */
export interface ChdbFront {
  readonly port: number;
  close(): Promise<void>;
}

/** Formats that may be sent chunk by chunk: the engine formats every chunk by itself. */
const streamed = new Set([
  "JSONEachRow",
  "JSONCompactEachRow",
  "Native",
  "RowBinary",
  "CSV",
  "TSV",
  "TabSeparated",
]);

/** ClickHouse's HTTP status by exception code; 500 for the others. */
const statusOf: Readonly<Record<string, number>> = {
  "36": 400,
  "43": 400,
  "53": 400,
  "62": 400,
  "27": 400,
  "46": 404,
  "47": 404,
  "60": 404,
  "81": 404,
  "372": 404,
  "373": 423,
  "241": 507,
};

/**
 * ClickHouse's HTTP interface over chDB, as far as @clickhouse/client, curl and clickhouse-connect
 * need it. It listens on 127.0.0.1 alone, asks for the password of its one user, refuses requests
 * that a web page sends, and statements that reach beyond the tables; a GET never writes.
 *
 * @throws {MillraceError} PASSWORD_FILE_UNSAFE.
 */
export async function startChdbFront(
  engine: ChdbEngine,
  options: ChdbFrontOptions,
): Promise<ChdbFront> {
  const sessions = new FrontSessions(engine);
  const password = await frontPassword(options.passwordFile);
  const names = await engine.run("SELECT name FROM system.table_functions", "TSV");
  const guard = new FrontGuard(Buffer.from(names).toString("utf8").split("\n"));
  const { spoolDirectory: spool, maxBodyBytes = 2 ** 28 } = options;
  const gate = new FrontGate();
  const front: Front = { engine, sessions, gate, guard, password, spool, maxBodyBytes };
  const server = createServer((request, response) => {
    void serve(front, request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      sessions.close();
    },
  };
}

interface Front {
  readonly engine: ChdbEngine;
  readonly sessions: FrontSessions;
  readonly gate: FrontGate;
  readonly guard: FrontGuard;
  readonly password: string;
  readonly spool: string;
  readonly maxBodyBytes: number;
}

async function serve(
  { engine, sessions, gate, guard, password, spool, maxBodyBytes }: Front,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let spooled: SpooledRequest | null = null;
  try {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (!fromThisMachine(request))
      return refuse(response, 403, "requests of web pages are refused");
    if (url.pathname === "/ping" || (url.pathname === "/" && isBareGet(request, url))) {
      response.end("Ok.\n");
      return;
    }
    if (!isAllowed(url, request.headers, password)) {
      response.setHeader("X-ClickHouse-Exception-Code", "516");
      return refuse(response, 403, "default: Authentication failed: password is incorrect", 516);
    }
    const parameters = parametersOf(url, request.headers);
    const isReading = request.method !== "POST";
    response.setHeader("X-ClickHouse-Query-Id", parameters.queryId ?? randomUUID());
    response.setHeader("X-ClickHouse-Server-Display-Name", "chdb");
    response.setHeader("X-ClickHouse-Timezone", "UTC");
    spooled = await spoolRequest(engine, spool, request, parameters.query, maxBodyBytes);
    const { sql, body } = spooled.statement;
    guard.check(body === null ? sql : body.into, parameters.values);
    if (body !== null) guard.check(`SET ${body.settings || "x = 1"}`);
    if (isReading) requireReading(sql || "INSERT");
    await sessions.use(parameters.sessionId, parameters.sessionTimeoutMs, async (session) => {
      if (spooled === null) return;
      // What a session keeps could not be set back once it is read-only.
      const settings =
        isReading && session === null
          ? { ...parameters.settings, ...readOnlySettings }
          : parameters.settings;
      await execute(engine, gate, spooled, { ...parameters, settings }, session, response);
    });
  } catch (error) {
    fail(response, error);
  } finally {
    await spooled?.remove();
  }
}

async function execute(
  engine: ChdbEngine,
  gate: FrontGate,
  { statement, file }: SpooledRequest,
  parameters: RequestParameters,
  session: Session | null,
  response: ServerResponse,
): Promise<void> {
  const { settings, database } = parameters;
  const kept = session ?? engine.session();
  try {
    if (database !== null) await engine.use(kept, database);
    if (statement.body !== null && file !== null) {
      await engine.insertFile(statement.body, file, "", settings, kept);
      end(response, "");
      return;
    }
    const format = statement.format ?? parameters.format ?? "TabSeparated";
    response.setHeader("X-ClickHouse-Format", format);
    response.setHeader("Content-Type", contentType(format));
    const isReading = isStreamed(statement.verb);
    const work = async (limits: QuerySettings): Promise<Uint8Array | string> => {
      const all = { ...settings, ...limits };
      const { query } = statement;
      if (!isReading || !streamed.has(format)) return await engine.run(query, format, all, kept);
      await streamResult(engine, query, format, all, kept, response);
      return "";
    };
    end(response, await gate.run(work, () => isReading && !response.headersSent));
  } finally {
    if (session === null) kept.close();
  }
}

async function streamResult(
  engine: ChdbEngine,
  sql: string,
  format: string,
  settings: QuerySettings,
  session: Session | null,
  response: ServerResponse,
): Promise<void> {
  const write = async (chunk: Uint8Array): Promise<void> => {
    if (response.destroyed) throw new Error("the client has gone");
    // The engine frees the chunk when the next is asked for.
    if (response.write(Uint8Array.prototype.slice.call(chunk))) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off("drain", done).off("close", done);
        resolve();
      };
      response.on("drain", done).on("close", done);
    });
  };
  await engine.stream(sql, format, settings, write, session);
}

/** chDB streams the rows of these alone; the answers of the others are small. */
function isStreamed(verb: string): boolean {
  return ["SELECT", "WITH", "("].includes(verb);
}

function contentType(format: string): string {
  if (/^JSON/.test(format)) return "application/json; charset=UTF-8";
  if (/^CSV/.test(format)) return "text/csv; charset=UTF-8; header=absent";
  if (/^(TSV|TabSeparated)/.test(format)) return "text/tab-separated-values; charset=UTF-8";
  if (/^(Pretty|Vertical|Markdown)/.test(format)) return "text/plain; charset=UTF-8";
  return "application/octet-stream";
}

function end(response: ServerResponse, body: Uint8Array | string): void {
  if (!response.headersSent) {
    response.setHeader("X-ClickHouse-Summary", "{}");
  }
  response.end(body);
}

function fail(response: ServerResponse, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const code = clickHouseCode(text);
  response.setHeader("X-ClickHouse-Exception-Code", code === "" ? "62" : code);
  response.removeHeader("X-ClickHouse-Format");
  response.setHeader("Content-Type", "text/plain; charset=UTF-8");
  response.statusCode = code === "" ? 400 : (statusOf[code] ?? 500);
  const shown = code === "" ? `Code: 62. DB::Exception: ${text}` : text;
  response.end(`${shown.replace(/^Query failed: /, "")}\n`);
}

function refuse(response: ServerResponse, status: number, reason: string, code = 497): void {
  response.statusCode = status;
  response.end(`Code: ${code}. DB::Exception: ${reason}\n`);
}

function isBareGet(request: IncomingMessage, url: URL): boolean {
  return request.method === "GET" && !url.searchParams.has("query");
}

/** No browser at all: the engine's own pages would need the password in their address. */
function fromThisMachine({ headers }: IncomingMessage): boolean {
  return fromElsewhere(headers) === null && headers["sec-fetch-site"] === undefined;
}
