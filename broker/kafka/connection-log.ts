import { kafkajsInternals, type LogEntry } from "./kafkajs-internals.ts";

/** Where the adapter's connections write; pino's loggers fit. */
export interface KafkaLogger {
  error(context: object, message: string): void;
  warn(context: object, message: string): void;
  info(context: object, message: string): void;
  debug(context: object, message: string): void;
}

/** Fields of kafkajs's log that say where and why; all others (payloads, options) are left out. */
const shownFields = ["broker", "error", "correlationId", "size", "retryCount"] as const;

const debugLevel = 5;
const verbs: Readonly<Record<number, keyof KafkaLogger>> = { 1: "error", 2: "warn", 4: "info" };

/** Errors as one line on standard error, nothing else. */
const errorsOnly: KafkaLogger = {
  error: (_, message) => process.stderr.write(`millrace: kafka: ${message}\n`),
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};

/** kafkajs's logger over ours: named fields only, so that no secret can reach it. */
export function connectionLogger(logger: KafkaLogger | undefined): unknown {
  const target = logger ?? errorsOnly;
  return kafkajsInternals().createLogger({
    level: debugLevel,
    logCreator: () => (entry) => write(target, entry),
  });
}

function write(logger: KafkaLogger, { namespace, level, log }: LogEntry): void {
  const context: Record<string, unknown> = { part: namespace };
  for (const field of shownFields) {
    if (log[field] !== undefined) {
      context[field] = log[field];
    }
  }
  // A lost connection is tried again; if that does not help, the call itself fails with it.
  const retried = namespace === "Connection" && level <= 1;
  const verb = retried ? "warn" : (verbs[level] ?? "debug");
  logger[verb](context, log.message);
}
