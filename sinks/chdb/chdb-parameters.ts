import type { IncomingHttpHeaders } from "node:http";
import type { QuerySettings } from "./chdb-engine.ts";

/** What a request to ClickHouse's HTTP interface says beside its body. */
export interface RequestParameters {
  readonly query: string;
  readonly database: string | null;
  readonly format: string | null;
  readonly queryId: string | null;
  readonly sessionId: string | null;
  readonly sessionTimeoutMs: number;
  /** All else in the URL: settings, and `param_…` values of the query. */
  readonly settings: QuerySettings;
  /** Values of `param_…`, as they were given. */
  readonly values: readonly string[];
}

/** Names in the URL that are no settings of the engine, or mean nothing without a server. */
const notSettings = new Set([
  "query",
  "database",
  "default_format",
  "query_id",
  "session_id",
  "session_timeout",
  "session_check",
  "user",
  "password",
  "role",
  "quota_key",
  "compress",
  "decompress",
  "buffer_size",
  "wait_end_of_query",
  "enable_http_compression",
  "http_headers_progress_interval_ms",
  "send_progress_in_http_headers",
  "client_protocol_version",
  "cancel_http_readonly_queries_on_client_close",
]);

/** @throws {Error} when ClickHouse's own compression, or data beside the query, is asked for. */
export function parametersOf(url: URL, headers: IncomingHttpHeaders): RequestParameters {
  const given = url.searchParams;
  if (given.get("compress") === "1" || given.get("decompress") === "1") {
    throw new Error("compress and decompress are not supported: use compress=false, or HTTP's own");
  }
  if (header(headers, "content-type")?.startsWith("multipart/form-data")) {
    throw new Error("external data (multipart/form-data) is not supported: use a temporary table");
  }
  const settings: Record<string, string> = {};
  for (const [name, value] of given) {
    if (!notSettings.has(name)) settings[name] = value;
  }
  const names = Object.keys(settings).filter((name) => name.startsWith("param_"));
  return {
    values: names.map((name) => settings[name] ?? ""),
    query: given.get("query") ?? "",
    database: ownDatabase(given.get("database") ?? header(headers, "x-clickhouse-database")),
    format: given.get("default_format") ?? header(headers, "x-clickhouse-format"),
    queryId: given.get("query_id"),
    sessionId: given.get("session_id"),
    sessionTimeoutMs: 1_000 * Math.min(Number(given.get("session_timeout") ?? 60) || 60, 3_600),
    settings,
  };
}

/** Clients name `default` when they mean none; that of chDB would read files by their names. */
function ownDatabase(name: string | null): string | null {
  return name === null || name.toLowerCase() === "default" ? null : name;
}

function header(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return typeof value === "string" ? value : null;
}
