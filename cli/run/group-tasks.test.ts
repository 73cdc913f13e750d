import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupTasks } from "./group-tasks.ts";
import type { WorkerReport } from "./worker-messages.ts";

function report(instances: string[], ...tasks: [string, number][]): WorkerReport {
  return {
    ...{ kind: "status", round: null, commits: 1, committedRecords: 0, instances },
    tasks: tasks.map(([name, progress]) => {
      const [subtopology = "", partition] = name.split("/");
      const counters = new Map();
      return { subtopology, partition: Number(partition), progress, state: null, counters };
    }),
  };
}

test("alone, a task that nobody has just now is on its way, and sets the run not back", () => {
  const ours = ["m-0", "m-1"];
  const tasks = new GroupTasks(3, "m");
  tasks.keep("0", report(ours, ["a/0", 5]));
  assert.equal(tasks.reached, Number.NEGATIVE_INFINITY, "two are not heard of");
  tasks.keep("1", report(ours, ["a/1", 7], ["b/0", 6]));
  tasks.keep("1", report([], ["a/1", 8]));
  assert.deepEqual([tasks.all.length, tasks.elsewhere, tasks.reached], [3, 0, 5]);
});

test("beside other directories only the tasks that are here count", () => {
  const shared = ["a-0", "m-0"];
  const tasks = new GroupTasks(3, "m");
  tasks.keep("0", report(["m-0"], ["a/0", 5], ["a/1", 5], ["b/0", 5]));
  tasks.keep("0", report(shared, ["a/0", 9]));
  assert.deepEqual([tasks.all.length, tasks.elsewhere, tasks.reached], [1, 2, 9]);
  tasks.keep("0", report([], ["a/0", 9]));
  assert.equal(tasks.elsewhere, 2, "a place that is lost says nothing of others");
});
