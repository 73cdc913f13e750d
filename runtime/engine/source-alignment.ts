import { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";

/**
 * How far, in event time, a source may run ahead of the slowest task that it feeds. What lies
 * between is what inboxes hold.
 */
export const alignmentMs = 12 * 3_600_000;

/**
 * Holds back each source task whose progress is more than {@link alignmentMs} beyond what one of
 * its own readers has consumed of it. This cannot deadlock: a reader that waits for a source has
 * consumed all that it sent, so a held-back source always has a reader with queued records of its
 * own, and the source of least progress of all is never held back by a reader that waits for it.
 */
export function holdBackSources(tasks: readonly (MergeTask | SourceTask)[]): void {
  const readers = new Map<string, MergeTask>();
  for (const task of tasks) {
    if (task instanceof MergeTask) {
      readers.set(`${task.subtopology.name}/${task.partition}`, task);
    }
  }
  for (const task of tasks) {
    if (!(task instanceof SourceTask)) continue;
    task.stalled = task.progress - consumedOf(task, readers) > alignmentMs;
  }
}

function consumedOf(source: SourceTask, readers: ReadonlyMap<string, MergeTask>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const output of source.subtopology.outputs) {
    if (output.kind !== "inbox") continue;
    for (const reader of readers.values()) {
      if (reader.subtopology.name !== output.to) continue;
      if (output.fanOut === "same" && reader.partition !== source.partition) continue;
      const inputs = reader.subtopology.inputs;
      const input = inputs.findIndex((each) => each.name === output.input);
      const writer = inputs[input]?.channels === "all" ? source.partition : 0;
      least = Math.min(least, reader.consumedUpTo(input, writer));
    }
  }
  return least;
}
