import assert from "node:assert/strict";
import { test } from "node:test";
import { peakOf } from "./memory.ts";
import { RunWatch } from "./run-watch.ts";

test("a run that is over before the first look has taken memory all the same", async () => {
  const run = { application: { pids: new Map() }, stack: { pids: () => [] } };
  const watch = new RunWatch(run as unknown as ConstructorParameters<typeof RunWatch>[0], {
    ...{ peaks: {}, share: () => 1, phase: () => "", keep: async () => {} },
  });
  watch.start();
  await watch.stop();
  assert.ok(peakOf(watch.peaks, "all") > 1_000_000);
});
