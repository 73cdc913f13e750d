import { workerData } from "piscina";
import { ModelCache } from "./model-cache.ts";

/** One micro-batch of one model. */
export interface ScoringTask {
  readonly artifact: string;
  readonly rows: Float32Array;
}

const cache = new ModelCache((workerData as { directory: string }).directory);

/** Entry of the pool's threads: piscina calls it by name, one task at a time. */
export async function scoreBatch(task: ScoringTask): Promise<Float32Array> {
  const model = await cache.get(task.artifact);
  return await model.score(task.rows);
}
