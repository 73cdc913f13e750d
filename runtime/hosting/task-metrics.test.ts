import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { Application } from "./application.ts";
import { createSources } from "./create-sources.ts";
import { memoryStack, reading, readingsTo } from "./memory-stack-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-task-metrics-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const readings = from("readings", reading)
  .timedBy("at", { lateness: "10m" })
  .partitionedBy("sensor");
const view = (name: "sensors@1" | "instants@1", by: "sensor" | "at") =>
  readings
    .keyedBy(by)
    .over("1h")
    .compute({ readings: agg.count() })
    .asFeatureView(name, { ttl: "1d" })
    .into(online);
const plan = topology(
  "measured",
  { sensors: view("sensors@1", "sensor"), instants: view("instants@1", "at") },
  { partitions: 4 },
);
const noon = Date.UTC(2026, 0, 1, 12);

test("keys and bytes of the state are those of each view, over all of its partitions", async () => {
  const stack = await memoryStack(folder);
  await createSources(stack.broker, [plan]);
  const send = await readingsTo(stack, plan.partitions);
  const mode = { kind: "live", now: () => noon + 60_000, maxWaitMs: 50 } as const;
  const application = await Application.start({
    ...{ plan, stack, mode, instanceId: "0", scoringThreads: 0, commitIntervalMs: 1 },
  });
  const stop = new AbortController();
  const running = application.run(stop.signal, null);
  const measured = async () => {
    const text = await application.metrics.registry.metrics();
    const found = text.matchAll(/^millrace_state_(\w+)\{subtopology="(\w+)@1"\} (\S+)$/gm);
    return Object.fromEntries(
      [...found].map(([, of, name, size]) => [`${name} ${of}`, Number(size)]),
    );
  };
  // Seven sensors, and each instant once.
  for (let i = 0; i < 30; i++) await send({ sensor: `s${i % 7}`, at: noon + i });
  while ((await measured())["instants keys"] !== 30) await wait(5);
  while ((await measured())["sensors keys"] !== 7) await wait(5);
  const { "instants bytes": ofInstants = 0, "sensors bytes": ofSensors = 0 } = await measured();
  assert.ok(ofInstants > 0 && ofSensors > 0, `${ofInstants} and ${ofSensors} bytes`);
  stop.abort();
  await running;
  await application.close();
  await stack.close();
});
