import { Registry } from "prom-client";
import { type PredictWorld, plan } from "../../runtime/predict/predict-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import type { OfflineStore } from "../../sinks/store.ts";
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
