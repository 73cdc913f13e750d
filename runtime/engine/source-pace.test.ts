import assert from "node:assert/strict";
import { test } from "node:test";
import type { Subtopology } from "../../schemas/plan.ts";
import { SourcePace } from "./source-pace.ts";

/** A source task with as many records as one asks for, or none. */
function endless(inbox: string, partition: number) {
  const task = {
    subtopology: { inbox } as Subtopology,
    partition,
    total: 0,
    resting: false,
    step(budget: number): number {
      const taken = task.resting ? 0 : budget;
      task.total += taken;
      return taken;
    },
  };
  return task;
}

test("a slowed source takes one record for every ten of a task of another source", () => {
  const pace = new SourcePace(new Map([["arrivals", 10]]));
  const slowed = [endless("arrivals", 0), endless("arrivals", 1)];
  const others = [endless("departures", 0), endless("departures", 1), endless("weather", 0)];
  for (let turn = 0; turn < 101; turn++) {
    for (const task of [...slowed, ...others]) pace.step(task, 7);
  }
  for (const { total } of others) assert.equal(total, 707);
  for (const { total } of slowed) assert.ok(Math.abs(total - 70) <= 1, `${total}`);
});

test("while the others rest it takes a factorth of a turn, however large the factor", () => {
  const pace = new SourcePace(new Map([["arrivals", 4_000]]));
  const [slowed, other] = [endless("arrivals", 0), endless("departures", 0)];
  other.resting = true;
  for (let turn = 0; turn < 1_000; turn++) {
    for (const task of [slowed, other]) pace.step(task, 2_000);
  }
  assert.ok(Math.abs(slowed.total - 500) <= 1, `${slowed.total}`);
});

test("a task that was restored goes on with the credit of its partition", () => {
  const pace = new SourcePace(new Map([["arrivals", 4]]));
  pace.step(endless("arrivals", 0), 2);
  const restored = endless("arrivals", 0);
  assert.equal(pace.step(restored, 2), 1, "twice half a record is one");
});
