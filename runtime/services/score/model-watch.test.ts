import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../../metrics/metrics.ts";
import { ModelWatch } from "./model-watch.ts";

test("a model that is put aside is warned of and counted, from 0 on", async () => {
  const metrics = new Metrics();
  const warned: string[] = [];
  const watch = new ModelWatch((message) => void warned.push(message), metrics, ["fraud", "late"]);
  const asides = async () =>
    (await metrics.registry.metrics())
      .split("\n")
      .filter((line) => line.startsWith("millrace_model_put_aside_total{"));
  assert.deepEqual(await asides(), [
    'millrace_model_put_aside_total{step="fraud"} 0',
    'millrace_model_put_aside_total{step="late"} 0',
  ]);
  watch.putAside("late", ["v2", "v3"]);
  assert.equal((await asides())[1], 'millrace_model_put_aside_total{step="late"} 2');
  assert.equal(warned.length, 2);
});
