/** Producers that go on sending when a live run ends: what they send then is for the next run. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { verifyRun } from "../../audit/verify-run.ts";
import { Application } from "../../runtime/hosting/application.ts";
import { createSources } from "../../runtime/hosting/create-sources.ts";
import { reading, readingsTo } from "../../runtime/hosting/memory-stack-fixture.ts";
import { storesOf } from "../../runtime/hosting/stack.ts";
import { openEmbeddedStack } from "../../stacks/embedded-stack.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { online } from "../../topologies/dsl/roles.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";

const sensors = from("readings", reading)
  .timedBy("at", { lateness: "1s" })
  .partitionedBy("sensor")
  .keyedBy("sensor")
  .over("1h")
  .compute({ readings: agg.count() })
  .asFeatureView("sensors@1", { ttl: "1d" })
  .into(online);
const plan = topology("ending", { sensors }, { partitions: 2 });
const noon = Date.UTC(2026, 0, 1, 12);
const end = noon + 10_000;

const folder = mkdtempSync(join(tmpdir(), "millrace-ending-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("what comes after the end is neither counted, refused nor warned of: the next run takes it", async () => {
  const stack = await openEmbeddedStack({ directory: folder });
  await createSources(stack.broker, [plan]);
  const send = await readingsTo(stack, plan.partitions);
  let now = noon;
  const warned: string[] = [];
  const run = async (to: number) => {
    const application = await Application.start({
      ...{ plan, stack, instanceId: "0", scoringThreads: 0 },
      mode: { kind: "live", now: () => now, end: to, maxWaitMs: 1_000 },
      warn: (text) => void warned.push(text),
    });
    await application.run(new AbortController().signal, to);
    const sum = (of: "in" | "processed" | "late" | "deadLettered") =>
      application.accounts().reduce((all, each) => all + each[of], 0);
    const counted = [sum("in"), sum("processed"), sum("late"), sum("deadLettered")];
    await application.close();
    return counted;
  };
  const sensors = ["a", "b", "c", "d", "e"];
  // At the end, within the tolerance of clocks beyond it, and far behind it.
  const behind = [end, end + 3_000, end + 60_000, end + 3_600_000 - 1];
  for (const sensor of sensors) await send({ sensor, at: noon + 1_000 });
  for (const at of behind) for (const sensor of sensors) await send({ sensor, at });
  const sent = { before: sensors.length, behind: sensors.length * behind.length };
  // Clocks are right: the run comes to its end an hour later than it was to.
  now = end + 3_600_000;
  assert.deepEqual(await run(end), [sent.before, sent.before, 0, 0]);
  assert.deepEqual(warned, []);
  const verified = await verifyRun({ plan, ...storesOf(stack, plan.name), live: true });
  assert.deepEqual(verified.problems, []);
  const awaiting = verified.sources.reduce((sum, each) => sum + each.awaiting, 0);
  assert.equal(awaiting, sent.behind);

  const all = sent.before + sent.behind;
  now = end + 7_200_000;
  assert.deepEqual(await run(now), [all, all, 0, 0]);
  assert.deepEqual(warned, []);
  await stack.close();
});
