import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { ForwardingBroker } from "../../broker/forwarding.ts";
import { GatewayMetrics } from "../../gateway/gateway-metrics.ts";
import { TrackingLog } from "../../runtime/tracking/tracking-log.ts";
import { trackingTopic } from "../../topologies/dsl/compile/topics.ts";
import { flights } from "../../topologies/flights/flights.ts";

const topic = trackingTopic(flights.name);

test("of the snapshots of what is logged is told which covers what, and how many failed", async (t) => {
  const memory = await openEmbeddedBroker({ directory: null });
  t.after(() => memory.close());
  await memory.createTopics(flights.topics.filter(({ name }) => name === topic));
  let isAway = false;
  const broker = new (class extends ForwardingBroker {
    override async producer(...given: Parameters<Broker["producer"]>) {
      if (isAway) throw new Error("no producer for a snapshot");
      return await super.producer(...given);
    }
  })(memory);
  const metrics = new GatewayMetrics(false);
  const log = new TrackingLog(broker, topic, {
    snapshotAfterBytes: 4_000,
    snapshotted: (result) => metrics.snapshotted(result),
  });
  t.after(() => log.close());
  metrics.watchSnapshots(() => (log.snapshots === null ? [] : [log.snapshots]));
  const told = async () => {
    const text = await metrics.registry.metrics();
    const lines = text.matchAll(/^millrace_gateway_tracking_(\w+)\{\w+="([\w.-]+)"\} (\S+)$/gm);
    return Object.fromEntries(
      [...lines].map(([, name, label, value]) => {
        return [label === topic ? name : `${name} ${label}`, Number(value)];
      }),
    );
  };
  const none = { "snapshots_total written": 0, "snapshots_total failed": 0 };
  assert.deepEqual(await told(), { ...none, "snapshots_total unreadable": 0 });
  let made = 0;
  const write = async () => {
    const tags = [{ key: "note", value: "x".repeat(1_000) }];
    const asked = { name: `e${made++}`, location: "", tags };
    await log.write("experiment.create", "x", asked);
    await log.settled();
  };
  const until = async (result: string) => {
    for (let i = 0; i < 50; i++) {
      if ((await told())[`snapshots_total ${result}`] !== 0) return;
      await write();
    }
    assert.fail(`no snapshot was told to be ${result}`);
  };
  await write();
  const { behind_bytes: behind = 0, ...rest } = await told();
  assert.ok(behind > 1_000 && behind < 1_500, `${behind}`);
  assert.deepEqual(rest, { ...none, "snapshots_total unreadable": 0 }, "there is none yet");
  isAway = true;
  await until("failed");
  isAway = false;
  const before = Date.now();
  await until("written");
  const all = await told();
  const { newest } = log.snapshots ?? {};
  assert.ok(newest !== null && newest !== undefined);
  assert.equal(all["snapshot_offset"], made, "each command is a record");
  assert.ok((all["snapshot_time_seconds"] ?? 0) * 1_000 >= before);
  assert.ok((all["snapshot_bytes"] ?? 0) > 1_000 * made);
  assert.deepEqual(
    [all["snapshot_bytes"], all["behind_bytes"], all["snapshots_total failed"]],
    [newest.stateBytes, 0, 1],
  );
});
