import { execFile } from "node:child_process";
import { join } from "node:path";
import { Registry } from "prom-client";
import { type PredictWorld, plan } from "../../runtime/predict/predict-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { pythonEnvironment } from "../../testing/requirements-fixture.ts";
import { allDoors } from "../doors/all-doors.ts";
import { countedStores, openTestGateway, usualLimits } from "../gateway-fixture.ts";
import type { Gateway, GatewayOptions } from "../open-gateway.ts";
import { Served } from "../served.ts";

/** An offline store without any row: models are checked on rows that are made up. */
const noRows = { of: () => ({ query: async () => [] }) } as unknown as OfflineStore;

/** One of several gateways in front of the same servers. */
export interface TrackedGateway {
  readonly gateway: Gateway;
  readonly tracking: Tracking;
  readonly predictions: Predictions;
  readonly models: RegisteredModels;
  close(): Promise<void>;
}

/** @param machine - has artifacts of its own, over the shared store. */
export async function trackedGateway(
  world: PredictWorld,
  machine: string,
  options: Partial<GatewayOptions> = {},
): Promise<TrackedGateway> {
  const stores = countedStores();
  const stack = { ...world, online: stores.online, artifacts: world.artifacts(machine) };
  const predictions = new Predictions([plan], stack);
  const tracking = new Tracking([plan], stack);
  const models = new RegisteredModels(tracking, [plan], { ...stack, offline: noRows }, Date.now);
  const served = new Served([plan], stores, Date.now);
  const behind = { served, ingest: null, predictions, tracking, models, waitingFor: () => [] };
  const gateway = await openTestGateway(allDoors({ ...behind, registry: new Registry() }), {
    limits: { ...usualLimits, requestMs: 20_000 },
    ...options,
  });
  return {
    ...{ gateway, tracking, predictions, models },
    close: async () => {
      await gateway.close();
      await predictions.close();
      await tracking.close();
    },
  };
}

/** Runs a script of the examples with MLflow's client, which asks a gateway. */
export function mlflowScript(url: string, script: string, ...args: readonly string[]) {
  const python = join(pythonEnvironment, "bin", "python");
  const file = join(packageRoot(), "examples", "mlflow", script);
  const env = {
    ...{ PATH: process.env["PATH"], HOME: process.env["HOME"], MLFLOW_TRACKING_URI: url },
    // Refusals are told at once, without tries over minutes.
    ...{ MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_DISABLE_TELEMETRY: "true" },
    GIT_PYTHON_REFRESH: "quiet",
  };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(python, [file, ...args], { timeout: 120_000, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}
