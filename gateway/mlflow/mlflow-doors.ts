import type { Tracking } from "../../runtime/tracking/tracking.ts";
import type { Door } from "../door.ts";
import { artifactDoors } from "./artifacts.ts";
import { experimentDoors } from "./experiments.ts";
import { loggedModelDoors } from "./logged-models.ts";
import { runDoors } from "./runs.ts";

/** MLflow's REST API: its Python client logs and registers here, as it is. */
export function mlflowDoors(tracking: Tracking): readonly Door[] {
  return [
    ...experimentDoors(tracking),
    ...runDoors(tracking),
    ...loggedModelDoors(tracking),
    ...artifactDoors(tracking),
  ];
}
