import { workerData } from "piscina";
import { loadOnnxRuntime } from "./onnx-runtime.ts";
import type { BatchAnswer } from "./scorer.ts";
import { type ScoringFailure, type ScoringTask, TaskScorer } from "./scoring-task.ts";

const scorer = new TaskScorer((workerData as { directory: string }).directory);

/** Loads what the first model of the thread would wait for. */
export async function warmUp(): Promise<void> {
  await loadOnnxRuntime();
}

/** Entry of the pool's threads: piscina calls it by name, one task at a time. */
export function scoreBatch(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
  return scorer.run(task);
}
