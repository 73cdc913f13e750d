import { endWithParent } from "./end-with-parent.ts";
import type { ProcessMessage } from "./scoring-process.ts";
import { type ScoringTask, TaskScorer } from "./scoring-task.ts";

/** Entry of a process that scores by one model; argv: directory of the artifacts, the artifact. */
endWithParent();
// A signal to all processes of a group or a service is meant for the one that started this.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
const [, , directory = "", artifact = ""] = process.argv;
const scorer = new TaskScorer(directory, true);
const tell = (message: ProcessMessage): void => void process.send?.(message);

await scorer.load(artifact);
process.on("message", (task: ScoringTask) => void scorer.run(task).then(tell));
tell({ ready: true });
