import assert from "node:assert/strict";
import { test } from "node:test";
import { measureTasks } from "../../runtime/hosting/task-metrics.ts";
import { Metrics } from "../../runtime/metrics/metrics.ts";
import { mergeMetrics } from "./worker-metrics.ts";

test("what workers count is added up; what tells of a process names it; tasks stand once", async () => {
  const progress = (value: number) => {
    const metrics = new Metrics();
    const task = {
      subtopology: "views",
      partition: 0,
      progress: value,
      state: null,
      counters: new Map(),
    };
    measureTasks(
      metrics,
      () => [task],
      () => [],
    );
    return metrics;
  };
  const [parent, first, second] = [progress(9_000), progress(1_000), progress(2_000)];
  first.committed({ records: 3, bytes: 10, durationMs: 2 });
  second.committed({ records: 4, bytes: 20, durationMs: 700 });
  const json = ({ registry }: Metrics) => registry.getMetricsAsJSON();
  const workers = new Map([
    ["0", await json(first)],
    ["1", await json(second)],
  ]);
  const text = await mergeMetrics(await json(parent), workers).metrics();
  assert.match(text, /^millrace_commits_total 2$/m);
  assert.match(text, /^millrace_committed_records_total 7$/m);
  assert.match(text, /^millrace_commit_seconds_bucket\{le="0.0025"\} 1$/m);
  assert.match(text, /^millrace_commit_seconds_count 2$/m);
  assert.deepEqual(text.match(/^millrace_progress_seconds.*$/gm), [
    'millrace_progress_seconds{subtopology="views",partition="0"} 9',
  ]);
  for (const worker of ["parent", "0", "1"]) {
    assert.match(
      text,
      new RegExp(`^process_resident_memory_bytes\\{worker="${worker}"\\} \\d+$`, "m"),
    );
  }
});
