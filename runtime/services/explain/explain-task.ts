import { toldExplanation } from "../../../processors/scoring/explain/told-explanation.ts";
import type { ExplainWork, RowExplanations } from "../../../processors/scoring/explain-work.ts";
import { readArtifact } from "../train/artifacts.ts";
import { Explanations } from "./explanations.ts";

/** Some rows of one work, in memory of their own. */
export type ExplainTask = ExplainWork;

/** Rows that a thread is given at a time. */
export const taskRows = 64;

/** Explains rows, one task after the other. */
export class TaskExplainer {
  readonly #explanations: Explanations;

  /** @param directory - of the artifacts, all of which are there. */
  constructor(directory: string) {
    this.#explanations = new Explanations({ get: (sha256) => readArtifact(directory, sha256) });
  }

  async run({ artifacts, versionOf, rows, features, most }: ExplainTask) {
    const width = features.length;
    const asked = Array.from(versionOf, (index, row) => {
      const vector = rows.subarray(row * width, (row + 1) * width);
      return { artifact: artifacts[index] ?? "", vector };
    });
    const explained = await this.#explanations.ofAll(features, asked);
    return explained.map((each) => toldExplanation(each, most)) satisfies RowExplanations;
  }
}

/** The work in tasks, in the order of its rows. */
export function explainTasks(work: ExplainWork): ExplainTask[] {
  const { versionOf, rows, features } = work;
  const tasks: ExplainTask[] = [];
  for (let from = 0; from < versionOf.length; from += taskRows) {
    const to = Math.min(versionOf.length, from + taskRows);
    tasks.push({
      ...work,
      versionOf: versionOf.slice(from, to),
      rows: rows.slice(from * features.length, to * features.length),
    });
  }
  return tasks;
}
