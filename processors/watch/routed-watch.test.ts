/** What a watch of a routed step makes of the answers of challengers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { WatchSpec } from "../../schemas/steps/watch.ts";
import type { LoopRecord } from "../loop-fixture.ts";
import { seededRandom } from "../train/seeded-random-fixture.ts";
import { answer, outcome, prediction, run } from "../watch-fixture.ts";

const watch: Partial<WatchSpec> = {
  detectors: [
    { kind: "features", overMs: 1_000 },
    { kind: "performance", metric: "auc", overMs: 1_000, floor: 0.65 },
  ],
  triggers: [
    { when: "drifted", detector: "performance" },
    { when: "drifted", detector: "features" },
  ],
};

const reference = [
  { feature: "origin_flights_1h", edges: [0.25, 0.5, 0.75], counts: [250, 250, 250, 250, 0] },
].map((each) => ({ ...each, poor: false }));

interface Answered {
  readonly version: string;
  readonly challenges: boolean;
  /** How much higher a score is where the label is 1; 0: it knows nothing. */
  readonly skill: number;
  /** Least value of its feature. */
  readonly low: number;
}

const good = { skill: 0.5, low: 0 };

/** A window of 1,000 predictions, whose outcomes are known behind it. */
function windowOf(start: number, who: (i: number) => Answered): LoopRecord[] {
  const random = seededRandom(`routed ${start}`);
  return Array.from({ length: 1_000 }, (_, i) => {
    const { version, challenges, skill, low } = who(i);
    const [at, label] = [start + i, random(2)];
    const score = random(1_000) / 2_000 + label * skill;
    const vector = [low + random(1_000) / 1_000, 1, 1, 1, 12];
    return [
      prediction(`${at}`, at, version, vector, challenges),
      outcome(at, start + 1_000 + Math.floor(i / 20), label, version, score, `${at}`, challenges),
    ];
  }).flat();
}

function watched(records: readonly LoopRecord[], until = 4_500) {
  const all = [answer(1, { requestId: "", version: "v1", reference }), ...records];
  const found = run(watch, all, until, 0, true);
  assert.deepEqual(run(watch, all, until, 7, true), found, "a restore changes nothing");
  const of = (kind: string) =>
    found.drift
      .filter((each) => each["kind"] === kind && each["windowStart"] === 1_000)
      .map(({ version, rows, alarm }) => `${version} ${rows} ${alarm}`);
  return { asked: found.asked, performance: of("performance"), features: of("features") };
}

test("a challenger that is bad asks for no training, whoever began or ended the window", () => {
  for (const odd of [true, false]) {
    const { asked, performance } = watched(
      windowOf(1_000, (i) => {
        const challenges = (i % 2 === 1) === odd;
        return challenges
          ? { version: "r2", challenges, skill: 0, low: 0 }
          : { version: "v1", challenges, ...good };
      }),
    );
    assert.deepEqual(performance, ["r2 500 true", "v1 500 false"]);
    assert.deepEqual(asked, []);
  }
});

test("a champion that is bad asks, though challengers are good and answer most", () => {
  const { asked, performance } = watched(
    windowOf(1_000, (i) => {
      const challenges = i % 4 !== 0;
      return challenges
        ? { version: "r2", challenges, ...good }
        : { version: "v1", challenges, skill: 0, low: 0 };
    }),
  );
  assert.deepEqual(performance, ["r2 750 false", "v1 250 true"]);
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.[1], "drifted(performance)");
});

test("a version is judged as champion by what it answered as champion", () => {
  const { asked, performance } = watched(
    windowOf(1_000, (i) => {
      if (i >= 500) return { version: "r2", challenges: false, ...good };
      const challenges = i % 2 === 0;
      return challenges
        ? { version: "r2", challenges, skill: 0, low: 0 }
        : { version: "v1", challenges, skill: 0, low: 0 };
    }),
  );
  // The newest champion is good: what it was before, and the one before it, ask for nothing.
  assert.deepEqual(performance, ["r2 250 true", "v1 250 true", "r2 500 false"]);
  assert.deepEqual(asked, []);
});

test("what challengers answer is no part of the champion's features, and without one nothing asks", () => {
  const shifted = { version: "r2", challenges: true, skill: 0, low: 5 };
  const { asked, features } = watched(
    windowOf(1_000, (i) => (i % 2 === 0 ? shifted : { version: "v1", challenges: false, ...good })),
  );
  assert.deepEqual(features, ["v1 500 false"]);
  assert.deepEqual(asked, []);
  const alone = watched(windowOf(1_000, () => shifted));
  assert.deepEqual([alone.features, alone.asked], [[], []]);
  assert.deepEqual(alone.performance, ["r2 1000 true", "null 0 false"]);
});
