import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { loopPlan, partOf } from "../../processors/loop-fixture.ts";
import type { ExternalWork } from "../../processors/processor.ts";
import type { ScoreWork } from "../../processors/scoring/score-work.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Execute } from "../services/service.ts";
import type { MergeTask } from "./merge-task.ts";
import { WorkDesk } from "./work-desk.ts";

const plan = loopPlan();
const away = new MillraceError("ARTIFACTS_UNREACHABLE", { where: "test", reason: "away" });
const work: ExternalWork<ScoreWork> = {
  service: "score",
  payload: {
    versions: ["v1"],
    artifacts: ["a"],
    versionOf: Uint16Array.from([0]),
    rows: new Float64Array(1),
    features: 1,
    sourcePartitions: new Uint16Array(1),
    sourceOffsets: new Float64Array(1),
    putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
  },
};

function openDesk(execute: Execute) {
  const events = new EventTarget();
  const troubles: [string, unknown][] = [];
  const desk = new WorkDesk({
    plan,
    execute,
    isLive: true,
    stands: async () => true,
    onTrouble: (who, error) => {
      troubles.push([who, error]);
      events.dispatchEvent(new Event("trouble"));
    },
    tell: () => events.dispatchEvent(new Event("told")),
  });
  /** Has a task of a partition's work done; its result, or null for none. */
  const doWork = async (partition = 0) => {
    const settled: Buffer[] = [];
    const told = once(events, "told");
    const settle = (result: Buffer) => settled.push(result);
    const task = { subtopology: partOf(plan, "predictions"), partition, settle };
    desk.begin(task as Partial<MergeTask> as MergeTask, work);
    await told;
    return settled[0] ?? null;
  };
  return { desk, events, troubles, doWork };
}

test("a server that was away when a score's time was over fails no call that comes later", async () => {
  let isAway = false;
  const answer = Buffer.alloc(17);
  const { desk, doWork } = openDesk(async () => {
    if (isAway) throw away;
    return answer;
  });
  assert.equal(await doWork(), answer, "the first call has no limit");
  isAway = true;
  assert.ok(Number.isNaN((await doWork())?.readDoubleLE(0)));
  isAway = false;
  for (let call = 0; call < 2; call++) {
    assert.equal(await doWork(), answer);
    desk.throwFailure();
  }
});

test("a server that is away for many scores is told once, and once that it is back", async () => {
  let isAway = false;
  const { desk, troubles, doWork } = openDesk(async () => {
    if (isAway) throw away;
    return Buffer.alloc(17);
  });
  await doWork();
  isAway = true;
  for (let call = 0; call < 3; call++) await doWork();
  const told = () => troubles.map(([, error]) => error === null);
  assert.ok(!told().includes(true), "no score has had it back");
  isAway = false;
  for (let call = 0; call < 3; call++) await doWork();
  assert.deepEqual(told().filter(Boolean), [true]);
  isAway = true;
  await doWork();
  desk.forget();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(told().at(-1), true, "who is made anew waits for nobody");
});

test("what work has failed with is thrown once: its task is then made anew", async () => {
  const { desk, doWork } = openDesk(() => Promise.reject(new Error("the model fails")));
  assert.equal(await doWork(), null);
  assert.equal(desk.failed, true);
  assert.throws(() => desk.throwFailure(), /the model fails/);
  assert.equal(desk.failed, false);
  desk.throwFailure();
});

test("each partition waits by a name of its own: one that goes on ends nobody else's waiting", async () => {
  let tries = 0;
  const { events, troubles, doWork } = openDesk(async () => {
    if (tries++ < 2) throw away;
    return Buffer.alloc(17);
  });
  const both = Promise.all([doWork(0), doWork(1)]);
  while (troubles.filter(([, error]) => error === null).length < 2) await once(events, "trouble");
  await both;
  assert.deepEqual(
    troubles.map(([who, error]) => [who, error === null]),
    [
      ["score of predictions/0", false],
      ["score of predictions/1", false],
      ["score of predictions/0", true],
      ["score of predictions/1", true],
    ],
  );
});
