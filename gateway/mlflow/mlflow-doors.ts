import type { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import type { Tracked, Tracking } from "../../runtime/tracking/tracking.ts";
import type { Door } from "../door.ts";
import { artifactDoors } from "./artifacts.ts";
import { experimentDoors } from "./experiments.ts";
import { loggedModelDoors } from "./logged-models.ts";
import { modelVersionDoors } from "./model-versions.ts";
import { registeredModelDoors } from "./registered-models.ts";
import { runDoors } from "./runs.ts";

/** MLflow's REST API: its Python client logs and registers here, as it is. */
export function mlflowDoors(tracking: Tracking, models: RegisteredModels): readonly Door[] {
  // Trainings are runs of an experiment too, once somebody looks.
  const withTrainings: Tracked = {
    write: (kind, by, asked) => tracking.write(kind, by, asked),
    state: () => models.withTrainings(),
  };
  return [
    ...experimentDoors(withTrainings),
    ...runDoors(withTrainings),
    ...loggedModelDoors(tracking),
    ...registeredModelDoors(models, tracking),
    ...modelVersionDoors(models, tracking),
    ...artifactDoors(tracking),
  ];
}
