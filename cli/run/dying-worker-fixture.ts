import type { WorkerCommand, WorkerMessage } from "./worker-messages.ts";

/*
 * Stands in for a worker process. Told to start as "quick" it dies at once, as "thriving" once it
 * has said that it committed; as "failing" it says why it ends, as "loyal" it ends when it is told.
 */

const tell = (message: WorkerMessage, then: () => void) => process.send?.(message, then);
const die = () => process.kill(process.pid, "SIGKILL");

process.once("disconnect", () => process.exit(1));
process.on("message", (command: WorkerCommand) => {
  if (command.kind === "stop") process.exit(0);
  if (command.kind !== "start") return;
  if (command.worker === "quick") die();
  if (command.worker === "thriving") {
    const report = { kind: "status", round: null, commits: 1, committedRecords: 1 } as const;
    tell({ ...report, tasks: [], instances: [] }, die);
  }
  if (command.worker === "failing") {
    const failure = {
      code: "DATA_LOCKED",
      context: { pid: 7 },
      message: "",
      stack: "",
      cause: null,
    };
    tell({ kind: "failed", failure }, () => process.exit(1));
  }
});
