/** A producer whose clock is ahead, as whoever runs the process is told of it. */
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

const sensors = from("readings", reading)
  .timedBy("at", { lateness: "10m" })
  .partitionedBy("sensor")
  .keyedBy("sensor")
  .over("1h")
  .compute({ readings: agg.count() })
  .asFeatureView("sensors@1", { ttl: "1d" })
  .into(online);
const plan = topology("ahead", { sensors }, { partitions: 1 });
const noon = Date.UTC(2026, 0, 1, 12);

const folder = mkdtempSync(join(tmpdir(), "millrace-ahead-"));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const [beyond, words] of [
  ["wait", "wait for it"],
  ["refuse", "are refused"],
] as const) {
  test(`a record beyond the clock is warned of once and measured: they ${words}`, async () => {
    const stack = await memoryStack(join(folder, beyond));
    await createSources(stack.broker, [plan]);
    const sendReading = await readingsTo(stack, plan.partitions);
    const send = (at: number) => sendReading({ sensor: "a", at });
    let now = noon;
    const warned: [string, object][] = [];
    const application = await Application.start({
      ...{ plan, stack, instanceId: "0", scoringThreads: 0 },
      mode: {
        kind: "live",
        now: () => now,
        maxWaitMs: 1_000,
        ahead: { maxAheadMs: 5_000, beyond },
      },
      warn: (text, facts) => void warned.push([text, facts ?? {}]),
    });
    const stop = new AbortController();
    const running = application.run(stop.signal, null);
    const ahead = async () => {
      const text = await application.metrics.registry.metrics();
      const pattern = /^millrace_source_ahead_seconds\{source="readings",partition="0"\} (\S+)$/m;
      return Number(pattern.exec(text)?.[1]);
    };
    assert.equal(await ahead(), 0);
    await send(noon + 65_000);
    while ((await ahead()) === 0) await wait(5);
    assert.equal(await ahead(), 65);
    await send(noon + 70_000);
    now = noon + 66_000;
    await send(now);
    const processed = () => application.accounts()[0]?.processed ?? 0;
    while ((await ahead()) !== 0 || processed() === 0) await wait(5);
    assert.deepEqual(
      warned.map(([text, { topic, aheadMs }]: [string, { topic?: string; aheadMs?: number }]) => [
        text.includes(words),
        topic,
        aheadMs,
      ]),
      [[true, "readings", 65_000]],
    );
    stop.abort();
    await running;
    const [account] = application.accounts();
    assert.equal(account?.late, 0);
    assert.equal((account?.deadLettered ?? 0) > 0, beyond === "refuse");
    await application.close();
    await stack.close();
  });
}
