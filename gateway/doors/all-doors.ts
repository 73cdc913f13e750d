import type { Registry } from "prom-client";
import { z } from "zod";
import type { EventIngest } from "../../runtime/ingest/event-ingest.ts";
import type { Predictions } from "../../runtime/predict/predictions.ts";
import type { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import type { Tracking } from "../../runtime/tracking/tracking.ts";
import { packageVersion } from "../../schemas/package-version.ts";
import { type Door, door } from "../door.ts";
import { mlflowDoors } from "../mlflow/mlflow-doors.ts";
import { openApiDocument } from "../openapi.ts";
import type { Served } from "../served.ts";
import { eventDoor } from "./events.ts";
import { feastDoor } from "./feast.ts";
import { featureDoors } from "./features.ts";
import { metricsDoor } from "./metrics.ts";
import { modelHistoryDoor } from "./model-history.ts";
import { oipDoors } from "./oip.ts";
import { predictDoor } from "./predict.ts";
import { stepDoors } from "./steps.ts";
import { viewDoors } from "./views.ts";

/** What stands behind the doors. */
export interface Behind {
  readonly served: Served;
  /** Null: no events are taken. */
  readonly ingest: EventIngest | null;
  readonly predictions: Predictions;
  readonly tracking: Tracking;
  readonly models: RegisteredModels;
  /** What the gateway waits for; empty: it is ready. */
  readonly waitingFor: () => readonly string[];
  readonly registry: Registry;
}

/** All doors of a gateway, and the one that describes them. */
export function allDoors({
  served,
  ingest,
  predictions,
  tracking,
  models,
  registry,
  waitingFor,
}: Behind): readonly Door[] {
  const doors = [
    ...featureDoors(served),
    ...viewDoors(served),
    ...stepDoors(predictions),
    predictDoor(predictions),
    eventDoor(ingest),
    feastDoor(served),
    ...oipDoors(predictions, packageVersion, waitingFor),
    ...mlflowDoors(tracking, models),
    modelHistoryDoor(models),
    metricsDoor(registry),
  ];
  return [...doors, descriptionDoor(openApiDocument(doors))];
}

function descriptionDoor(document: Record<string, unknown>): Door {
  return door({
    method: "GET",
    path: "/openapi.json",
    scope: null,
    title: "This description",
    about: "OpenAPI 3.1.",
    takes: "none",
    answers: { status: 200, schema: z.record(z.string(), z.unknown()) },
    errors: [],
    handle: () => ({ body: document }),
  });
}
