import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { stepsOf } from "../../schemas/plan.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import type { OnlineFlush, OnlineStore } from "../../sinks/store.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { SinkPump } from "../pump/sink-pump.ts";
import type { SinkPumpOptions } from "../pump/sink-pump-options.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { openArtifactStore } from "../services/train/artifacts.ts";
import { Application } from "./application.ts";
import { createSources } from "./create-sources.ts";
import { type PumpsOptions, startPumps } from "./pumps.ts";
import type { Stack } from "./stack.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-application-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A stack in memory; the nth join of a group fails, and all that succeeded are counted. */
async function stackWithout(nth: number) {
  const embedded = await openEmbeddedBroker({ directory: null });
  const count = { joins: 0, members: 0 };
  const broker = new Proxy<Broker>(embedded, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "join") return value.bind(target);
      return async (...given: Parameters<Broker["join"]>) => {
        if (++count.joins === nth) throw new Error("no room in the group");
        const member = await target.join(...given);
        count.members++;
        const leave = member.leave.bind(member);
        return Object.assign(member, {
          leave: () => {
            count.members--;
            return leave();
          },
        });
      };
    },
  });
  const offline = createMemoryOfflineStore();
  const stack: Stack = {
    kind: "embedded",
    broker,
    registry: createMemoryRegistry(),
    online: createMemoryOnlineStore(),
    offline,
    artifacts: { of: (topology) => openArtifactStore(join(folder, "models", topology)) },
    files: offline,
    pids: () => [],
    offlineAddress: null,
    close: () => embedded.close(),
  };
  return { stack, count };
}

test("live rows may be dropped once they are older than their ttl, replayed ones never", async () => {
  const [view] = stepsOf(flights, "view");
  assert.ok(view);
  for (const [mode, expected] of [
    ["live", view.ttlMs + 3_600_000],
    ["replay", undefined],
  ] as const) {
    const { stack } = await stackWithout(0);
    const { broker } = stack;
    await broker.createTopics(flights.topics);
    const flushes: OnlineFlush[] = [];
    const online: OnlineStore = {
      ...stack.online,
      position: async () => null,
      write: async (flush) => void flushes.push(flush),
    };
    const pumps = await startPumps(flights, { ...stack, online }, () => {}, {
      instanceId: "0",
      mode,
    });
    const pump = pumps.find(({ sink, topic }) => sink === "online" && topic.includes(view.name));
    assert.ok(pump);
    const producer = await broker.producer({ transactionalId: "writer" });
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.of(0), Buffer.alloc(8), 0);
    producer.begin();
    await producer.send([{ topic: pump.topic, partition: 0, batch: batch.build() }]);
    await producer.commit();
    await pump.drain();
    assert.deepEqual(
      flushes.map(({ expireAfterMs }) => expireAfterMs),
      [expected],
    );
    for (const each of pumps) await each.stop();
    await stack.close();
  }
});

test("a live block goes online at once and offline within a second, one of a replay within five", async (t) => {
  const { stack } = await stackWithout(0);
  t.after(() => stack.close());
  const started = t.mock.method(SinkPump, "start", async () => null);
  const agesOf = async (options: PumpsOptions) => {
    started.mock.resetCalls();
    await startPumps(flights, stack, () => {}, options);
    const pumps = started.mock.calls.map(({ arguments: given }) => given as unknown[]);
    assert.ok(pumps.length > 5, `${pumps.length} pumps`);
    const ages = (name: string) =>
      pumps.flatMap(([of]) => {
        const { sink, maxWaitMs } = of as SinkPumpOptions;
        return sink.name === name ? [maxWaitMs] : [];
      });
    return { offline: [...new Set(ages("offline"))], online: [...new Set(ages("online"))] };
  };
  assert.deepEqual(await agesOf({ mode: "live" }), { offline: [1_000], online: [0] });
  assert.deepEqual(await agesOf({ mode: "replay" }), { offline: [5_000], online: [5_000] });
  assert.deepEqual(await agesOf({}), { offline: [5_000], online: [5_000] });
  const said = await agesOf({ mode: "live", blockAgeMs: 7 });
  assert.deepEqual(said, { offline: [7], online: [7] });
});

test("an application that cannot start leaves every group that it joined", async () => {
  for (const nth of [1, 2, 5]) {
    const { stack, count } = await stackWithout(nth);
    await createSources(stack.broker, [flights]);
    const mode = { kind: "replay" } as const;
    const options = { plan: flights, stack, mode, instanceId: "0", scoringThreads: 0 };
    await assert.rejects(Application.start(options), /no room in the group/);
    assert.ok(count.joins >= nth);
    assert.equal(count.members, 0, `${count.members} of ${count.joins} stay`);
    await stack.close();
  }
});
