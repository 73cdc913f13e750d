import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { allDoors } from "../../gateway/doors/all-doors.ts";
import { GatewayMetrics } from "../../gateway/gateway-metrics.ts";
import { watchKeys } from "../../gateway/keys/key-file.ts";
import { type Gateway, openGateway } from "../../gateway/open-gateway.ts";
import { beginRehearsal } from "../../gateway/rehearsal.ts";
import { Served } from "../../gateway/served.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { refuse } from "../../runtime/config.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import type { Warn } from "../../runtime/services/service.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { packageVersion } from "../../schemas/package-version.ts";
import type { Plan } from "../../schemas/plan.ts";

export interface DoorOptions {
  readonly config: Config;
  /** As they run now: the list changes as strands are cut over. */
  readonly plans: readonly Plan[];
  readonly stack: Stack;
  /** What it waits for; empty: it is ready. */
  readonly waitingFor: () => readonly string[];
  /** Whether the metrics of the process are told here too. */
  readonly ofProcess: boolean;
  readonly log: Logger;
}

/**
 * Opens the gateway where the configuration says.
 *
 * @throws {MillraceError} CONFIG_INVALID, KEYS_FILE_INVALID, GATEWAY_OPEN, PORT_IN_USE.
 */
export async function openDoor(
  address: NonNullable<Config["listen"]>,
  { config, plans, stack, waitingFor, ofProcess, log }: DoorOptions,
): Promise<Gateway> {
  const clock = () => (config.live ? Date.now() : null);
  // A quarter of all requests, so that the rest go on while the offline store hangs.
  const served = new Served(plans, stack, clock, Math.ceil(config.requestsAtOnce / 4));
  const metrics = new GatewayMetrics(ofProcess);
  // A replay has its sources as they stand.
  const ingest = config.live ? new EventIngest(plans, stack) : null;
  const warn: Warn = (message, facts) => log.warn(facts, message);
  const predictions = new Predictions(plans, stack, {
    now: () => (config.live ? Date.now() : null),
    logs: config.live,
    threads: config.scoringThreads,
    ...{ rows: config.batchRows, delayMs: config.batchDelayMs, whenBusy: config.whenBusy },
    ...{ waitingRows: config.rowsWaiting, waitingBytes: config.waitingMb * 2 ** 20 },
    batched: (rows) => metrics.batched(rows),
    shed: (policy, rows) => metrics.shed(policy, rows),
    abandoned: (rows) => metrics.abandoned(rows),
    hung: () => metrics.hung(),
    warn,
    predicted: (step, answer) => metrics.predicted(step, answer),
    shadowed: (...told) => metrics.shadowed(...told),
  });
  metrics.watchWaiting(
    (lane) => predictions.waitingRows(lane),
    () => predictions.waitingBytes,
  );
  void predictions.warm();
  const tracking = new Tracking(plans, stack, {
    warn,
    snapshotted: (result) => metrics.snapshotted(result),
  });
  metrics.watchSnapshots(() => tracking.snapshots);
  const now = () => (config.live ? Date.now() : null);
  const models = new RegisteredModels(tracking, plans, stack, now);
  const limits = {
    bodyBytes: config.requestMb * 2 ** 20,
    requestsAtOnce: config.requestsAtOnce,
    receiveMs: config.receiveTimeout,
    requestMs: config.requestTimeout,
    drainMs: config.drain,
  };
  const rehearsal = beginRehearsal(predictions.rehearsed(), { limits, warn });
  const waitsFor = () => [...waitingFor(), ...predictions.waitingFor, ...rehearsal.waitingFor()];
  const gateway = await openGateway({
    address,
    tls: tlsOf(config),
    keys: watchKeys(config.keysFile),
    keysFile: config.keysFile,
    limits,
    doors: allDoors({
      ...{ served, ingest, predictions, tracking, models },
      ...{ registry: metrics.registry, waitingFor: waitsFor },
    }),
    grpc:
      config.listenGrpc === null
        ? null
        : { address: config.listenGrpc, service: await grpcService(predictions, waitsFor) },
    waitingFor: waitsFor,
    metrics,
    onFailure: (error, requestId, door) => log.error({ err: error, requestId, door }, "failed"),
  });
  return {
    ...gateway,
    close: async () => {
      await gateway.close();
      await rehearsal.close();
      await predictions.close();
      await tracking.close();
      await ingest?.close();
    },
  };
}

/** Loaded for those alone who speak it. */
async function grpcService(predictions: Predictions, waitingFor: () => readonly string[]) {
  const { inferenceService } = await import("../../gateway/oip/inference-service.ts");
  return inferenceService(predictions, packageVersion, waitingFor);
}

/** What is said of a gateway when it listens. */
export function listeningLines({ url, grpcAddress }: Gateway): string[] {
  const grpc = grpcAddress === null ? [] : [`gRPC        ${grpcAddress}`];
  return [`gateway     ${url}`, ...grpc];
}

function tlsOf({ listenCertFile, listenKeyFile }: Config) {
  if (listenCertFile === null && listenKeyFile === null) return null;
  const problems: string[] = [];
  const read = (name: string, file: string | null): string => {
    if (file === null) problems.push(`${name}: a certificate and its key go together: name both`);
    try {
      return file === null ? "" : readFileSync(file, "utf8");
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return "";
    }
  };
  const cert = read("listenCertFile", listenCertFile);
  const key = read("listenKeyFile", listenKeyFile);
  refuse(problems);
  return { cert, key };
}
