import { MillraceError } from "../schemas/errors.ts";

/** ClickHouse codes that mean "not now": the same statement may succeed later. */
const transient = new Set([
  "159", // TIMEOUT_EXCEEDED
  "173", // CANNOT_ALLOCATE_MEMORY
  "202", // TOO_MANY_SIMULTANEOUS_QUERIES
  "203", // NO_FREE_CONNECTION
  "209", // SOCKET_TIMEOUT
  "210", // NETWORK_ERROR
  "225", // NO_ZOOKEEPER
  "236", // ABORTED: the server is going down
  "241", // MEMORY_LIMIT_EXCEEDED
  "242", // TABLE_IS_READ_ONLY
  "243", // NOT_ENOUGH_SPACE
  "252", // TOO_MANY_PARTS
  "279", // ALL_CONNECTION_TRIES_FAILED
  "285", // TOO_FEW_LIVE_REPLICAS
  "319", // UNKNOWN_STATUS_OF_INSERT
  "394", // QUERY_WAS_CANCELLED: somebody killed it
  "439", // CANNOT_SCHEDULE_TASK
  "999", // KEEPER_EXCEPTION
]);

/** Number of a ClickHouse exception in its text, "" when there is none. */
export function clickHouseCode(text: string): string {
  return /Code: (\d+)/.exec(text)?.[1] ?? "";
}

/** The error of a statement that the engine refused, with its code and the text of the engine. */
export function offlineQueryError(reason: string, cause?: unknown): MillraceError {
  const code = clickHouseCode(reason);
  const options = cause === undefined ? {} : { cause };
  const short = withoutVersion(reason.replace(/^Query failed: /, ""));
  return transient.has(code)
    ? new MillraceError("OFFLINE_UNAVAILABLE", { where: "the engine", reason: short }, options)
    : new MillraceError("OFFLINE_QUERY_FAILED", { code, reason: short }, options);
}

/** The engine's version stands at the end of its texts, in brackets. */
function withoutVersion(text: string): string {
  const at = text.lastIndexOf("(version ");
  return at < 0 || !/^[^)]*\)+\s*$/.test(text.slice(at)) ? text : text.slice(0, at).trimEnd();
}
