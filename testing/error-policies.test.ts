/** What whoever owns work does with each row of the table of errors: what its policy says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, GroupMember, Producer } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { GroupPlace } from "../runtime/group-place.ts";
import { numbersPump, setUpNumbers } from "../runtime/pump/numbers-pump-fixture.ts";
import { offlineSink } from "../runtime/pump/offline-sink.ts";
import { numbersEncoder } from "../runtime/pump/pump-topic-fixture.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { type ErrorCode, errorOf, errorTable } from "../schemas/errors.ts";
import type { Sink } from "../sinks/sink.ts";
import { executeAir } from "./air-input-fixture.ts";
import { wideAir } from "./schedule-fixture.ts";
import { withMethods } from "./with-methods-fixture.ts";

const codes = Object.keys(errorTable) as ErrorCode[];
const policy = (code: ErrorCode) => errorTable[code].policy;
/** What another owner may have deleted behind one that hung: joining again may cure it, once. */
const isMissing = (code: ErrorCode) => code === "OFFSET_OUT_OF_RANGE";

/** Fails once with the error that it is given. */
class Trap {
  error: Error | null = null;

  spring(): void {
    const { error } = this;
    this.error = null;
    if (error !== null) throw error;
  }
}

test("a turn ends by every code whose policy is to join again, and by no other", async () => {
  const member: GroupMember = {
    identity: { memberId: "m", generation: 1 },
    assignment: Buffer.from("1"),
    onLost: () => {},
    rejoin: async () => {},
    leave: async () => {},
  };
  const broker = { join: async () => member } as Pick<Broker, "join"> as Broker;
  for (const code of codes) {
    const group = { group: "g", metadata: Buffer.alloc(0), assign: () => new Map() };
    const place = await GroupPlace.join(broker, group);
    const error = errorOf(code, {});
    const turn = place.turn(
      () => place.rejoin(),
      () => Promise.reject(error),
    );
    if (policy(code) === "rejoin" || isMissing(code)) {
      assert.equal(await turn, null, code);
      assert.equal(place.lost, true, code);
    } else {
      await assert.rejects(turn, error, code);
      assert.equal(place.lost, false, code);
    }
  }
});

const narrow = wideAir(1);

/** Workers one after the other on one log; the next one is started where the last one stopped. */
async function workers(around: (broker: Broker) => Broker) {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(narrow.topics);
  const told: unknown[] = [];
  const options: WorkerOptions = {
    plan: narrow,
    broker: around(broker),
    registry: createMemoryRegistry(),
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    idleWaitMs: 5,
    onTrouble: (_, error) => {
      if (error !== null) told.push(error);
    },
  };
  let worker: Worker | null = null;
  return {
    /** Whether a worker goes on where something fails, and what it tells of that. */
    async outcome(trap: Trap, error: Error) {
      worker ??= await Worker.start(options);
      const [first] = worker.tasks;
      first?.forceCommit();
      told.length = 0;
      trap.error = error;
      try {
        await worker.run(AbortSignal.timeout(20_000), () => trap.error === null);
        assert.equal(trap.error, null, "it was not reached");
        return { failure: null, told: [...told] };
      } catch (failure) {
        await worker.close();
        worker = null;
        return { failure, told: [...told] };
      }
    },
    async close() {
      await worker?.close();
      await broker.close();
    },
  };
}

test("a commit that fails with a code is done anew or ends its worker, as the policy says", {
  timeout: 300_000,
}, async () => {
  const trap = new Trap();
  const trapped = (producer: Producer) =>
    withMethods<Producer>(producer, {
      sendOffsets: async (...given) => {
        trap.spring();
        await producer.sendOffsets(...given);
      },
    });
  const all = await workers((broker) =>
    withMethods<Broker>(broker, {
      producer: async (options) => trapped(await broker.producer(options)),
    }),
  );
  for (const code of codes) {
    const error = errorOf(code, {});
    const goesOn = ["rejoin", "restore", "retry"].includes(policy(code));
    const { failure, told } = await all.outcome(trap, error);
    assert.equal(failure, goesOn ? null : error, code);
    assert.deepEqual(told, policy(code) === "retry" ? [error] : [], code);
  }
  await all.close();
});

test("a fetch that fails with a code is done again or ends its worker, as the policy says", {
  timeout: 300_000,
}, async () => {
  const trap = new Trap();
  const all = await workers((broker) =>
    withMethods<Broker>(broker, {
      fetch: async (request) => {
        trap.spring();
        return await broker.fetch(request);
      },
    }),
  );
  for (const code of codes) {
    const error = errorOf(code, {});
    const goesOn = ["rejoin", "retry"].includes(policy(code)) || isMissing(code);
    const { failure, told } = await all.outcome(trap, error);
    assert.equal(failure, goesOn ? null : error, code);
    assert.deepEqual(told, policy(code) === "retry" ? [error] : [], code);
  }
  await all.close();
});

test("a write that fails with a code is repeated, taken up again or ends its pump, as the policy says", {
  timeout: 300_000,
}, async () => {
  const { broker, topic, store, numbers } = await setUpNumbers();
  const trap = new Trap();
  const inner = offlineSink(store, numbersEncoder);
  const sink = withMethods<Sink>(inner, {
    write: async (...given) => {
      trap.spring();
      await inner.write(...given);
    },
  });
  for (const code of codes) {
    const error = errorOf(code, {});
    const told: unknown[] = [];
    const onTrouble = (trouble: unknown | null) => void told.push(trouble);
    const pump = await numbersPump(broker, sink, { onTrouble });
    trap.error = error;
    await topic.write(2);
    const goesOn = ["rejoin", "retry"].includes(policy(code)) || isMissing(code);
    const drained = pump.drain().then(
      () => null,
      (failure: unknown) => failure,
    );
    assert.equal(await drained, goesOn ? null : error, code);
    assert.equal(pump.failure, goesOn ? null : error, code);
    if (policy(code) === "retry") assert.deepEqual(told, [error, null], code);
    if (goesOn) assert.deepEqual(numbers(), topic.committed, code);
    await pump.stop();
  }
  await broker.close();
});
