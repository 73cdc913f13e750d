import { createRequire } from "node:module";
import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";

/** JSON lines on standard error, from the configured severity on. */
export function createLog(level: Config["logLevel"]): Logger {
  const { pino } = createRequire(import.meta.url)("pino") as typeof import("pino");
  return pino({ level, base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
}
