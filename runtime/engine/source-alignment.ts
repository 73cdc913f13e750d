import { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";
import { taskName } from "./task.ts";

/**
 * How far, in event time, a source may run ahead of the slowest task that it feeds. What lies
 * between is what inboxes hold.
 */
export const alignmentMs = 12 * 3_600_000;

/**
 * Holds back each source task whose progress is more than {@link alignmentMs} beyond what one of
 * its readers has consumed of it; of a reader in another process, beyond all that it has committed.
 * This cannot deadlock: while the others rest, every task reaches the source of least progress,
 * which is therefore not held back for long.
 *
 * @param committedOf - event time that a task of another process has committed, by its name.
 */
export function holdBackSources(
  tasks: readonly (MergeTask | SourceTask)[],
  partitionsOf: (subtopology: string) => number,
  committedOf: (task: string) => number,
): void {
  const readers = new Map<string, MergeTask>();
  for (const task of tasks) {
    if (task instanceof MergeTask) {
      readers.set(taskName(task.subtopology.name, task.partition), task);
    }
  }
  for (const task of tasks) {
    if (!(task instanceof SourceTask)) continue;
    const consumed = consumedOf(task, readers, partitionsOf, committedOf);
    task.stalled = task.progress - consumed > alignmentMs;
  }
}

function consumedOf(
  source: SourceTask,
  readers: ReadonlyMap<string, MergeTask>,
  partitionsOf: (subtopology: string) => number,
  committedOf: (task: string) => number,
): number {
  let least = Number.POSITIVE_INFINITY;
  for (const output of source.subtopology.outputs) {
    if (output.kind !== "inbox") continue;
    for (let partition = 0; partition < partitionsOf(output.to); partition++) {
      if (output.fanOut === "same" && partition !== source.partition) continue;
      const name = taskName(output.to, partition);
      const reader = readers.get(name);
      const consumed =
        reader === undefined ? committedOf(name) : consumedBy(reader, output.input, source);
      least = Math.min(least, consumed);
    }
  }
  return least;
}

function consumedBy(reader: MergeTask, inputName: string, source: SourceTask): number {
  const input = reader.subtopology.inputs.findIndex((each) => each.name === inputName);
  return reader.consumedUpTo(input, source.partition);
}
