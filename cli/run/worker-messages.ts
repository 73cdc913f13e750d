import type { Registry } from "prom-client";
import { Secret } from "../../runtime/config/secret.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { TaskReport } from "../../runtime/hosting/running-plan.ts";
import {
  type ErrorCode,
  type ErrorContext,
  errorOf,
  errorTable,
  MillraceError,
} from "../../schemas/errors.ts";

/** Metrics of one process, as prom-client merges them. */
export type MetricsReport = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** What the parent says to a worker process. */
export type WorkerCommand =
  /** The configuration comes this way, not as arguments: those anybody can read. */
  | {
      readonly kind: "start";
      /** Path of the application's module. */
      readonly module: string;
      /** Name of the topology to run. */
      readonly plan: string;
      readonly config: PackedConfig;
      readonly until: number;
      readonly worker: string;
      /** The data directory's name among those that run the plan. */
      readonly member: string;
    }
  /** Say `status` with this round once everything that you can see is done. */
  | { readonly kind: "ask"; readonly round: number }
  /** Everything is done everywhere: wait until it is stored, then say `drained`. */
  | { readonly kind: "drain" }
  | { readonly kind: "metrics"; readonly request: number }
  /** Leave the group and end. */
  | { readonly kind: "stop" };

/** What a worker process says to its parent. */
export type WorkerMessage =
  | WorkerReport
  | { readonly kind: "drained" }
  | { readonly kind: "metrics"; readonly request: number; readonly metrics: MetricsReport }
  /** It waits for a server; `error` null: that is there again. */
  | { readonly kind: "outage"; readonly what: string; readonly error: string | null }
  | { readonly kind: "failed"; readonly failure: Failure };

/** How far a worker is. */
export interface WorkerReport {
  readonly kind: "status";
  /** The round that it answers; null when it speaks unasked. */
  readonly round: number | null;
  /** Since its start. */
  readonly commits: number;
  readonly committedRecords: number;
  readonly tasks: readonly TaskReport[];
  /** Instance ids of all processes of the plan; none while it has no place among them. */
  readonly instances: readonly string[];
}

/** A configuration on its way to another process; settings by name. */
export interface PackedConfig {
  readonly plain: Readonly<Record<string, unknown>>;
  /** Secrets would arrive empty as they are. */
  readonly secrets: Readonly<Record<string, string>>;
}

/**
 * A copy: what becomes of the configuration later does not reach it.
 *
 * @throws {DOMException} DataCloneError where a setting of an application is a function, or holds
 * one: nothing of it reaches another process.
 */
export function packConfig(config: Config): PackedConfig {
  const plain: Record<string, unknown> = {};
  const secrets: Record<string, string> = {};
  for (const [name, value] of Object.entries<unknown>(config)) {
    if (value instanceof Secret) secrets[name] = value.reveal();
    else plain[name] = structuredClone(value);
  }
  return { plain, secrets };
}

export function unpackConfig({ plain, secrets }: PackedConfig): Config {
  const unpacked = Object.entries(secrets).map(([name, text]) => [name, new Secret(text)]);
  return { ...plain, ...Object.fromEntries(unpacked) } as unknown as Config;
}

/** An error on its way to another process. */
export interface Failure {
  readonly code: string | null;
  readonly context: ErrorContext;
  readonly message: string;
  readonly stack: string;
  readonly cause: Failure | null;
}

export function packError(error: unknown): Failure {
  const known = error instanceof Error ? error : new Error(String(error));
  return {
    code: error instanceof MillraceError ? error.code : null,
    context: error instanceof MillraceError ? error.context : {},
    message: known.message,
    stack: known.stack ?? known.message,
    cause: known.cause === undefined ? null : packError(known.cause),
  };
}

export function unpackError(failure: Failure): Error {
  const { code, context, message, stack, cause } = failure;
  const options = cause === null ? {} : { cause: unpackError(cause) };
  if (code !== null && code in errorTable) {
    return errorOf(code as ErrorCode, context, options);
  }
  return Object.assign(new Error(message, options), { stack });
}
