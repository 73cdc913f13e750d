import assert from "node:assert/strict";
import { test } from "node:test";
import type { DayFinding, Findings, ModelFinding, WindowFinding } from "./findings.ts";
import { disturbedFrom } from "./scenarios.ts";
import { verdictsOf } from "./verdicts.ts";

const hour = 3_600_000;
const day = 24 * hour;
const start = Date.parse(disturbedFrom);

/** One day each from `disturbedFrom` on, and the last, which is not judged. */
function daysOf(...aucs: number[]): DayFinding[] {
  return [...aucs, 0.1].map((liveAuc, index) => ({
    day: new Date(start + index * day).toISOString().slice(0, 10),
    lateShare: 0.2,
    scored: 16_000,
    liveAuc,
    oldChampionAuc: 0.6,
  }));
}

function windowAt(knownAt: number, auc: number): WindowFinding {
  const windowStart = Math.floor(knownAt / day - 1) * day;
  const windowEnd = windowStart + day;
  return { windowStart, windowEnd, knownAt, rows: 16_000, auc, alarm: auc < 0.65 };
}

function model(of: Partial<ModelFinding>): ModelFinding {
  return {
    version: "v1",
    promoted: true,
    reason: "",
    cutoff: start - 10 * day,
    effectiveFrom: start - 9 * day,
    trainedOn: 50_000,
    holdoutAuc: 0.75,
    championAuc: null,
    firstDeparture: start - 14 * day,
    lastDeparture: start - 10 * day,
    ...of,
  };
}

function findings(of: Partial<Findings>): Findings {
  return {
    days: daysOf(0.6, 0.72, 0.75),
    windows: [windowAt(start + 30 * hour, 0.6)],
    models: [model({})],
    oldChampion: "v1",
    oldChampionAuc: 0.61,
    ...of,
  };
}

const holds = (scenario: Parameters<typeof verdictsOf>[0], of: Partial<Findings>) =>
  verdictsOf(scenario, findings(of)).map((verdict) => verdict.holds);

test("undisturbed, any alarm fails, and so does a run in which no day was judged", () => {
  assert.deepEqual(holds("undisturbed", { windows: [windowAt(start, 0.7)] }), [true]);
  assert.deepEqual(
    holds("undisturbed", { windows: [windowAt(start, 0.7), windowAt(start + day, 0.6)] }),
    [false],
  );
  assert.deepEqual(holds("undisturbed", { windows: [] }), [false]);
  assert.deepEqual(holds("undisturbed", { windows: [windowAt(start, Number.NaN)] }), [false]);
  assert.deepEqual(holds("undisturbed", { windows: [windowAt(start, 0.7)], models: [] }), [false]);
});

test("a shift needs an alarm in 48 hours, and none before it", () => {
  const alarm = (...at: number[]) =>
    holds("shift", { windows: at.map((known) => windowAt(known, 0.6)) })[0];
  assert.equal(alarm(start + 30 * hour), true);
  assert.equal(alarm(start + 49 * hour), false);
  assert.equal(alarm(start - 5 * day, start + 30 * hour), false);
  assert.equal(alarm(), false);
});

test("a shift is recovered from when a day within six, and all after it, reach 0.70", () => {
  const recovered = (...aucs: number[]) => holds("shift", { days: daysOf(...aucs) })[1];
  assert.equal(recovered(0.6, 0.6, 0.6, 0.6, 0.6, 0.7, 0.8), true);
  assert.equal(recovered(0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7), false);
  assert.equal(recovered(0.6, 0.7, 0.69, 0.69, 0.69, 0.69, 0.7), false);
  assert.equal(recovered(0.6, 0.6), false);
  assert.equal(recovered(0.8, 0.8), false, "nothing was lost");
});

test("a shift must have cost the old champion its skill, over all rows and on average", () => {
  const below = (together: number | null, ...aucs: (number | null)[]) => {
    const days = daysOf(...aucs.map(() => 0.6)).map((each, index) => ({
      ...each,
      oldChampionAuc: aucs[index] ?? null,
    }));
    return holds("shift", { days, oldChampionAuc: together })[2];
  };
  assert.equal(below(0.6, 0.6, 0.65, 0.6), true);
  assert.equal(below(0.6, 0.64, 0.65, 0.6), false);
  assert.equal(below(0.63, 0.6, 0.65, 0.6), false);
  assert.equal(below(null, 0.6, 0.65, 0.6), false);
  assert.equal(below(0.6, Number.NaN, 0.6), false);
  assert.equal(below(0.6), false);
  assert.equal(holds("shift", { oldChampion: null, days: [] })[2], false);
});

test("of permuted rows alone no model is promoted, and one must have been asked for", () => {
  const permuted = model({ version: "v2", firstDeparture: start, promoted: false });
  assert.deepEqual(holds("permute", { models: [model({}), permuted] }), [true]);
  assert.deepEqual(holds("permute", { models: [model({ ...permuted, promoted: true })] }), [false]);
  const mixed = model({ firstDeparture: start - 1 });
  assert.deepEqual(holds("permute", { models: [mixed] }), [false]);
});
