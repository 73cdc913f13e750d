import { workerData } from "piscina";
import type { RowExplanations } from "../../../processors/scoring/explain-work.ts";
import { type ExplainTask, TaskExplainer } from "./explain-task.ts";

const explainer = new TaskExplainer((workerData as { directory: string }).directory);

/** Entry of the threads: piscina calls it by name, one task at a time. */
export function explainRows(task: ExplainTask): Promise<RowExplanations> {
  return explainer.run(task);
}
