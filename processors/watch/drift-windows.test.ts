import assert from "node:assert/strict";
import { test } from "node:test";
import type { WatchSpec } from "../../schemas/steps/watch.ts";
import type { LoopRecord } from "../loop-fixture.ts";
import { seededRandom } from "../train/seeded-random-fixture.ts";
import { answer, outcome, prediction, run } from "../watch-fixture.ts";
import { binOf } from "./reference.ts";

const never = Number.NEGATIVE_INFINITY;

/** Predictions of one window whose first feature is drawn from [low, low + 1). */
function windowOf(start: number, rows: number, low: number, version = "v1"): LoopRecord[] {
  const random = seededRandom(`window ${start}`);
  return Array.from({ length: rows }, (_, i) => {
    const value = low + random(10_000) / 10_000;
    const at = start + Math.floor((i * 100) / rows);
    return prediction(`${start}-${i}`, at, version, [value, Number.NaN, 1, 1, 12]);
  });
}

const reference = [
  {
    feature: "origin_flights_1h",
    edges: [0.25, 0.5, 0.75],
    counts: [250, 250, 250, 250, 0],
    poor: false,
  },
  { feature: "origin_flights_3h", edges: [], counts: [0, 1000], poor: false },
];

test("a feature window is held against the champion's training rows and closes at its end", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [{ kind: "features", overMs: 100 }],
    triggers: [{ when: "drifted", detector: "features" }],
  };
  const records = [
    ...windowOf(100, 500, 0),
    answer(150, { requestId: "", reference }),
    ...windowOf(200, 500, 0),
    ...windowOf(300, 500, 0.6),
    prediction("end", 400, "v1", [0.1, Number.NaN, 1, 1, 12]),
  ];
  const { drift, asked } = run(watch, records, 450);
  assert.deepEqual(
    drift.map(({ windowStart, windowEnd, knownAt, rows, feature, alarm, version }) => [
      windowStart,
      windowEnd,
      knownAt,
      rows,
      feature,
      alarm,
      version,
    ]),
    [
      [100, 200, 200, 245, "origin_flights_1h", false, "v1"],
      [100, 200, 200, 245, "origin_flights_3h", false, "v1"],
      [200, 300, 300, 500, "origin_flights_1h", false, "v1"],
      [200, 300, 300, 500, "origin_flights_3h", false, "v1"],
      [300, 400, 400, 500, "origin_flights_1h", true, "v1"],
      [300, 400, 400, 500, "origin_flights_3h", false, "v1"],
    ],
  );
  assert.deepEqual(asked, [[400, "drifted(features)"]]);
  assert.deepEqual(run(watch, records, 450, 7), { ...run(watch, records, 450) });
});

test("a version that was named by hand is held against the rows of the trainer's last one", () => {
  const detectors: WatchSpec["detectors"] = [{ kind: "features", overMs: 100 }];
  const records = [
    // Before the trainer has promoted any there is nothing to hold it against.
    ...windowOf(0, 500, 0.6, "by-hand"),
    answer(150, { requestId: "", reference }),
    ...windowOf(200, 500, 0.6, "by-hand"),
    prediction("end", 300, "by-hand", [0.1, Number.NaN, 1, 1, 12]),
  ];
  const { drift } = run({ detectors, triggers: [] }, records, 350);
  const [flights] = reference;
  assert.deepEqual(
    drift
      .filter(({ feature, rows }) => feature === flights?.feature && rows !== 0)
      .map(({ windowStart, rows, alarm, version }) => [windowStart, rows, alarm, version]),
    [[200, 500, true, "v1"]],
  );
});

test("a window in which the model changed has a result for each version, and the newest one asks", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [
      { kind: "features", overMs: 100 },
      { kind: "performance", metric: "auc", overMs: 100, floor: 0.65 },
    ],
    triggers: [{ when: "drifted", detector: "performance" }],
  };
  const half = (start: number, lift: number, version: string) =>
    judged(start, 300, 1, lift, version, 50);
  const between = (oldLift: number, newLift: number) => [
    answer(50, { requestId: "", reference }),
    ...half(100, oldLift, "v1"),
    answer(149, { requestId: "", version: "v2", reference }),
    ...half(150, newLift, "v2"),
    outcome(0, 260, 1),
  ];
  const of = (kind: string, { drift }: ReturnType<typeof run>) =>
    drift.flatMap((each) =>
      each["kind"] === kind ? [[each["version"], each["rows"], each["alarm"]]] : [],
    );
  const recovered = run(watch, between(0, 0.4), 300);
  assert.deepEqual(of("performance", recovered), [
    ["v1", 300, true],
    ["v2", 300, false],
  ]);
  assert.deepEqual(recovered.asked, []);
  assert.deepEqual(of("features", recovered), [
    ["v1", 300, true],
    ["v1", 300, true],
    ["v2", 300, true],
    ["v2", 300, true],
  ]);
  const worse = run(watch, between(0.4, 0), 300);
  assert.deepEqual(of("performance", worse), [
    ["v1", 300, false],
    ["v2", 300, true],
  ]);
  assert.deepEqual(worse.asked, [[200, "drifted(performance)"]]);
  assert.deepEqual(run(watch, between(0.4, 0), 300, 7), worse);
});

test("a version that made less than a quarter of a window's predictions is not judged", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [
      { kind: "features", overMs: 100 },
      { kind: "performance", metric: "auc", overMs: 100, floor: 0.65 },
    ],
    triggers: [],
  };
  const { drift } = run(
    watch,
    [
      answer(50, { requestId: "", reference }),
      ...judged(100, 220, 1, 0.4, "v1", 20),
      answer(119, { requestId: "", version: "v2", reference }),
      ...judged(120, 880, 1, 0.4, "v2", 80),
    ],
    300,
  );
  for (const { version, statistic } of drift) {
    assert.equal(Number.isNaN(statistic), version === "v1");
  }
  assert.equal(drift.length, 6);
});

test("keys of any length are passed over", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [
      { kind: "features", overMs: 100 },
      { kind: "performance", metric: "auc", overMs: 100, floor: 0.5 },
    ],
    triggers: [],
  };
  for (const length of [0, 1, 65_534, 65_535, 70_000]) {
    const id = "k".repeat(length);
    const records = [
      answer(50, { requestId: "", reference }),
      prediction(id, 100, "v1", [0.6, 1, 1, 1, 12]),
      outcome(100, 150, 1, "v1", 0.5, id),
    ];
    const rows = run(watch, records, 250).drift.map((each) => [each["feature"], each["rows"]]);
    assert.deepEqual(rows, [
      ["origin_flights_1h", 1],
      ["origin_flights_3h", 1],
      [null, 1],
    ]);
  }
});

test("a shift that is sure but small, or large but unsure, is no alarm", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [{ kind: "features", overMs: 100 }],
    triggers: [],
  };
  const promoted = answer(50, { requestId: "", reference });
  const small = run(watch, [promoted, ...windowOf(100, 5_000, 0.1)], 250).drift[0];
  assert.ok((small?.["statistic"] as number) > 0.05);
  assert.equal(small?.["threshold"], 0.25);
  assert.equal(small?.["alarm"], false);
  const unsure = run(watch, [promoted, ...windowOf(100, 12, 0.3)], 250).drift[0];
  assert.ok((unsure?.["statistic"] as number) > 0.25);
  assert.ok((unsure?.["threshold"] as number) > (unsure?.["statistic"] as number));
});

/** Predictions from `start` on, outcomes `delay` later; positives score higher by `lift`. */
function judged(
  start: number,
  rows: number,
  delay: number,
  lift: number,
  version = "v1",
  spanMs = 100,
) {
  const random = seededRandom(`judged ${start}`);
  return Array.from({ length: rows }, (_, i) => {
    const label = random(2);
    const at = start + Math.floor((i * spanMs) / rows);
    const probability = random(1_000) / 2_000 + label * lift;
    return [prediction("p", at, version), outcome(at, at + delay, label, version, probability)];
  }).flat();
}

test("a performance window closes when its end has passed and its last prediction is resolved", () => {
  const watch: Partial<WatchSpec> = {
    detectors: [{ kind: "performance", metric: "auc", overMs: 100, floor: 0.65 }],
    triggers: [{ when: "drifted", detector: "performance" }],
  };
  const champion = answer(50, { requestId: "", reference });
  const records = [
    champion,
    ...judged(100, 400, 30, 0.4),
    ...judged(200, 400, 30, 0),
    ...judged(300, 150, 1, 0.4),
    ...judged(400, 300, 10, 0.4, ""),
    prediction("open", 399, "v1"),
    outcome(399, 499, Number.NaN, "v1"),
  ];
  const result = run(watch, records, 650);
  assert.deepEqual(
    result.drift.map(({ windowStart, knownAt, rows, alarm, version }) => [
      windowStart,
      knownAt,
      rows,
      alarm,
      version,
    ]),
    [
      [100, 229, 400, false, "v1"],
      [200, 329, 400, true, "v1"],
      [300, 499, 150, false, "v1"],
      [400, 509, 0, false, null],
    ],
  );
  assert.ok((result.drift[0]?.["statistic"] as number) > 0.9);
  assert.ok(Number.isNaN(result.drift[2]?.["statistic"]));
  // The last prediction of [200, 300) stands at 299 and its label is known 30 later.
  assert.deepEqual(result.asked, [[329, "drifted(performance)"]]);
  assert.deepEqual(run(watch, records, 650, 11), result);
});

test("the newest window says whether a detector alarms, whichever closes last", () => {
  const watch = (cooldownMs: number): Partial<WatchSpec> => ({
    detectors: [{ kind: "performance", metric: "auc", overMs: 50, floor: 0.65 }],
    triggers: [
      { when: "labels", labels: 200 },
      { when: "drifted", detector: "performance" },
    ],
    cooldownMs,
  });
  const of = (start: number, lift: number) => judged(start, 400, 1, lift, "v1", 50);
  for (const [older, newer] of [
    [0.4, 0],
    [0, 0.4],
  ] as const) {
    const records = [
      answer(50, { requestId: "", reference }),
      ...of(100, older),
      prediction("open", 149, "v1"),
      answer(151, { requestId: "retraining-1" }),
      ...of(150, newer),
      outcome(149, 249, Number.NaN, "v1"),
      prediction("later", 260, "v1"),
      outcome(260, 270, Number.NaN, "v1"),
    ];
    const { drift, requests } = run(watch(100), records, 290);
    assert.deepEqual(
      drift.map(({ windowStart, alarm }) => [windowStart, alarm]),
      [
        [150, newer === 0],
        [100, older === 0],
      ],
    );
    const asked = requests.map(({ reasons }) => reasons.join());
    const alarmed = newer === 0 ? "labels,drifted(performance)" : "labels";
    assert.deepEqual(asked, ["labels", alarmed]);
  }
});

test("a value falls into the bin whose lower edge it reaches, NaN into the last", () => {
  assert.deepEqual(
    [never, 0.9, 1, 1.5, 2, 99, Number.NaN].map((value) => binOf(value, [1, 2])),
    [0, 0, 1, 1, 2, 2, 3],
  );
});
