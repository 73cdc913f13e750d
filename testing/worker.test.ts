import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker, Producer } from "../runtime/broker/broker.ts";
import { openEmbeddedBroker } from "../runtime/broker/embedded/embedded-broker.ts";
import { Worker, type WorkerOptions } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { MillraceError } from "../schemas/errors.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir, compareAir } from "./air-output-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { sequentialOracle } from "./sequential-oracle.ts";

const logs = makeLogs(1, 400, 5);

/** A broker of the whole input, and a worker's options that go with it. */
async function filled(): Promise<{ broker: Broker; options: WorkerOptions }> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  const options: WorkerOptions = {
    plan: air,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    stepBudget: 10,
  };
  return { broker, options };
}

/** `target` with some methods in place of its own. */
function withMethods<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(name in methods ? methods : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function runToEnd(worker: Worker): Promise<void> {
  const end = endOf(logs);
  const done = async () => worker.finished(end) && (await worker.caughtUp());
  await worker.run(AbortSignal.timeout(60_000), done);
}

test("nothing is committed between a commit that failed and the restore that it asks for", async () => {
  const { broker, options } = await filled();
  const context = { group: air.name, generation: 1 };
  let commits = 0;
  let refuse: (() => void) | null = null;
  const refused = (producer: Producer) =>
    withMethods(producer, {
      sendOffsets: (group, offsets, member) => {
        if (++commits % 5 !== 0) return producer.sendOffsets(group, offsets, member);
        return new Promise((_, reject) => {
          refuse = () => reject(new MillraceError("ILLEGAL_GENERATION", context));
        });
      },
    });
  const unsteady = withMethods<Broker>(broker, {
    producer: async (asked) => refused(await broker.producer(asked)),
    // The refusal comes while the loop waits for records.
    fetch: async (request) => {
      const fetched = await broker.fetch(request);
      refuse?.();
      refuse = null;
      await nextTurn();
      return fetched;
    },
  });
  const worker = await Worker.start({ ...options, broker: unsteady });
  await runToEnd(worker);
  await worker.close();
  assert.ok(commits > 20, `${commits} commits prove little`);
  const { output } = await collectAir(broker, options.registry);
  compareAir(output, sequentialOracle(air, logs), "refused now and then");
  await broker.close();
});

test("a result that its task cannot take ends the run with the error, like work that fails", async () => {
  const { broker, options } = await filled();
  const execute = async () => Buffer.alloc(1);
  const worker = await Worker.start({ ...options, execute });
  await assert.rejects(runToEnd(worker), RangeError);
  await worker.close();
  await broker.close();
});

test("a worker that cannot start leaves the group, and the next one need not wait for it", async () => {
  const { broker, options } = await filled();
  const failing = withMethods<Broker>(broker, {
    committed: async () => {
      throw new MillraceError("BROKER_CLOSED", { request: "a test" });
    },
  });
  await assert.rejects(Worker.start({ ...options, broker: failing }), { code: "BROKER_CLOSED" });
  const worker = await Worker.start({ ...options, instanceId: "1" });
  await runToEnd(worker);
  await worker.close();
  await broker.close();
});
