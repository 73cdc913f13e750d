import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EndRounds } from "./end-rounds.ts";
import type { WorkerReport } from "./worker-messages.ts";

const tasks = ["a/0", "a/1", "b/0", "b/1"];

function report(round: number, commits: number, ...names: string[]): WorkerReport {
  return {
    kind: "status",
    round,
    commits,
    committedRecords: 0,
    instances: ["m-0", "m-1"],
    tasks: names.map((name) => {
      const [subtopology = "", partition] = name.split("/");
      return {
        subtopology,
        partition: Number(partition),
        progress: 0,
        state: null,
        counters: new Map(),
      };
    }),
  };
}

test("the end comes when two rounds in a row find all tasks with the same commits", () => {
  const rounds = new EndRounds(4, "m");
  assert.equal(rounds.take("0", report(1, 5, "a/0", "b/0")), false, "half of the tasks");
  assert.equal(rounds.take("1", report(1, 3, "a/1", "b/1")), true);
  rounds.take("0", report(2, 6, "a/0", "b/0"));
  assert.equal(rounds.take("1", report(2, 3, "a/1", "b/1")), true, "0 committed in between");
  rounds.take("0", report(3, 6, "a/0", "b/0"));
  assert.equal(rounds.take("1", report(3, 3, "a/1", "b/1")), false);
  assert.deepEqual(rounds.end?.owners, ["0", "1"]);
  assert.equal(rounds.end?.tasks.length, 4);
});

test("an answer to an earlier round, and one of a worker that died, do not count", () => {
  const rounds = new EndRounds(4, "m");
  rounds.take("0", report(1, 1, ...tasks));
  assert.equal(rounds.round, 2);
  rounds.take("0", report(1, 1, ...tasks));
  assert.equal(rounds.end, null);
  rounds.forget("0");
  assert.equal(rounds.take("0", report(2, 1, ...tasks)), true, "the round before is forgotten");
  rounds.take("0", report(3, 1, ...tasks));
  assert.notEqual(rounds.end, null);
});

test("while two workers claim a task, as in a rebalance, it is not the end", () => {
  const rounds = new EndRounds(4, "m");
  for (const _ of [1, 2, 3]) {
    const { round } = rounds;
    rounds.take("0", report(round, 1, "a/0", "a/1", "b/0"));
    rounds.take("1", report(round, 1, "b/0", "b/1"));
  }
  assert.deepEqual([rounds.end, rounds.round], [null, 1]);
});

test("where other data directories have tasks, the end is that of all workers here", () => {
  const instances = ["a-0", "m-0", "m-1"];
  const ours = (round: number, name: string) => ({ ...report(round, 1, name), instances });
  const rounds = new EndRounds(4, "m");
  for (const round of [1, 2]) {
    rounds.take("0", ours(round, "a/0"));
    assert.equal(rounds.end, null, "one of two");
    rounds.take("1", ours(round, "b/0"));
  }
  assert.equal(rounds.end?.tasks.length, 2);
});

test("while workers tell of other groups, as in a rebalance, some of the tasks are no end", () => {
  const rounds = new EndRounds(4, "m");
  for (const _ of [1, 2, 3]) {
    const { round } = rounds;
    rounds.take("1", { ...report(round, 1, "b/0"), instances: ["a-0", "m-0", "m-1"] });
    rounds.take("0", { ...report(round, 1, "a/0"), instances: ["a-0", "m-0"] });
    rounds.take("0", { ...report(round, 1, "a/0"), instances: [] });
  }
  assert.deepEqual([rounds.end, rounds.round], [null, 1]);
});

/*
 * Workers that pass work to each other: handling a piece is a commit, which may send pieces to
 * others. A worker answers a round when its own queue is empty. Whatever the order of events, no
 * piece may be under way when the rounds say that all is done, and in the end they do.
 */
test("in any schedule of work that workers pass to each other, the end leaves none behind", () => {
  const schedule = fc.array(fc.nat({ max: 2 }), { maxLength: 60 });
  const work = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })), { maxLength: 20 });
  fc.assert(
    fc.property(schedule, work, (turns, hops) => {
      const rounds = new EndRounds(3, "m");
      const queues = [[0], [0], [0]];
      const commits = [0, 0, 0];
      const answered = [0, 0, 0];
      const turn = (worker: number) => {
        const queue = queues[worker] as number[];
        const piece = queue.shift();
        if (piece !== undefined) {
          commits[worker] = (commits[worker] ?? 0) + 1;
          for (const [by, to] of hops.slice(piece, piece + 2)) {
            if (by === worker) queues[to]?.push(piece + 2);
          }
        } else if (answered[worker] !== rounds.round) {
          answered[worker] = rounds.round;
          rounds.take(String(worker), report(rounds.round, commits[worker] ?? 0, `a/${worker}`));
        }
        if (rounds.end !== null) assert.ok(queues.every(({ length }) => length === 0));
      };
      for (const worker of turns) turn(worker);
      for (let rest = 0; rest < 400 && rounds.end === null; rest++) turn(rest % 3);
      assert.notEqual(rounds.end, null);
    }),
    { numRuns: 500 },
  );
});
