import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readRetrainRequest, writeJson } from "../schemas/json-payload.ts";
import type { ModelAnswer } from "../schemas/payload.ts";
import type { WatchSpec } from "../schemas/plan.ts";
import {
  drive,
  type LoopRecord,
  loopPlan,
  modelAnswer,
  partOf,
  RecordingOutbox,
} from "./loop-fixture.ts";
import { seededRandom } from "./train/seeded-random.ts";
import { binOf } from "./watch/reference.ts";
import { WatchProcessor } from "./watch.ts";

const never = Number.NEGATIVE_INFINITY;

function prediction(id: string, knownAt: number, version = "", vector = [0, 0, 0, 0, 0]) {
  return {
    input: "predictions",
    knownAt,
    write: (out: ByteWriter) => {
      out.text(id);
      out.text(version);
      out.f64(0.5);
      for (const value of vector) out.f64(value);
    },
  };
}

function outcome(
  predictedAt: number,
  knownAt: number,
  label: number,
  version = "",
  probability = 0.5,
  id = "1",
): LoopRecord {
  return {
    input: "outcomes",
    knownAt,
    write: (out) => {
      out.text(id);
      out.f64(predictedAt);
      out.text(version);
      out.f64(probability);
      out.f64(label);
    },
  };
}

function answer(knownAt: number, of: Partial<ModelAnswer>): LoopRecord {
  return {
    input: "models",
    knownAt,
    write: (out) => writeJson(out, modelAnswer({ effectiveFrom: knownAt, ...of })),
  };
}

/** A label known at each of `instants`. */
const labels = (instants: readonly number[]) => instants.map((at) => outcome(at - 1, at, 1));
const every = (from: number, to: number, step: number) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

/** Runs a watch, restoring it from a snapshot after every `restoreEvery` calls. */
function run(
  watch: Partial<WatchSpec>,
  records: readonly LoopRecord[],
  until: number,
  restoreEvery = 0,
) {
  const plan = loopPlan(watch);
  const part = partOf(plan, "retraining");
  let processor = new WatchProcessor(plan, part);
  const out = new RecordingOutbox();
  let calls = 0;
  drive(
    part,
    records,
    until,
    () => processor,
    out,
    () => {
      if (restoreEvery === 0 || ++calls % restoreEvery !== 0) return;
      const snapshot = new ByteWriter();
      processor.snapshot(snapshot);
      processor = new WatchProcessor(plan, part);
      processor.restore(new ByteReader(snapshot.take()));
    },
  );
  const requests = out.written
    .filter(({ output }) => output === 2)
    .map(({ bytes }) => readRetrainRequest(new ByteReader(bytes as Buffer)));
  const drift = out.written
    .filter(({ output }) => output === 0)
    .map(({ value }) => value as Record<string, unknown>);
  return { requests, drift, asked: requests.map(({ cutoff, reasons }) => [cutoff, ...reasons]) };
}

test("no-model asks at its label, again after a refusal and the cooldown, never with a champion", () => {
  const triggers = [{ when: "no-model", labels: 3 }] as const;
  const known = labels(every(10, 400, 10));
  const refused = answer(90, { requestId: "retraining-1", promoted: false });
  const promoted = answer(190, { requestId: "retraining-2" });
  const { asked, requests } = run(
    { triggers, cooldownMs: 100 },
    [...known, refused, promoted],
    500,
  );
  assert.deepEqual(asked, [
    [30, "no-model"],
    [130, "no-model"],
  ]);
  assert.deepEqual(
    requests.map(({ id, number }) => [id, number]),
    [
      ["retraining-1", 1],
      ["retraining-2", 2],
    ],
  );
});

test("an outcome without a label counts as none", () => {
  const triggers = [{ when: "no-model", labels: 3 }] as const;
  const records = every(10, 200, 10).map((at) => outcome(at - 1, at, Number.NaN));
  assert.deepEqual(run({ triggers }, records, 500).asked, []);
});

test("one request at most is in flight", () => {
  const triggers = [{ when: "labels", labels: 2 }] as const;
  const known = labels(every(10, 100, 10));
  assert.deepEqual(run({ triggers }, known, 200).asked, [[20, "labels"]]);
  const answered = answer(65, { requestId: "retraining-1" });
  assert.deepEqual(run({ triggers }, [...known, answered], 200).asked, [
    [20, "labels"],
    [70, "labels"],
  ]);
});

test("every counts from the first record, then from the last request, by a timer", () => {
  const triggers = [{ when: "every", periodMs: 100 }] as const;
  const records = [
    prediction("1", 7),
    ...[1, 2, 3].map((n) => answer(7 + n * 100 + 60, { requestId: `retraining-${n}` })),
  ];
  assert.deepEqual(run({ triggers, cooldownMs: 50 }, records, 400).asked, [
    [107, "every"],
    [207, "every"],
    [307, "every"],
  ]);
});

test("a period that ends while a request is in flight asks at the first outcome after the answer", () => {
  const triggers = [{ when: "every", periodMs: 100 }] as const;
  const records = [
    prediction("1", 0),
    answer(250, { requestId: "retraining-1" }),
    ...labels([240, 250, 263]),
  ];
  assert.deepEqual(run({ triggers }, records, 400).asked, [
    [100, "every"],
    [263, "every"],
  ]);
});

test("what asks during the cooldown asks after it", () => {
  const triggers = [{ when: "labels", labels: 2 }] as const;
  const records = [
    ...labels([10, 20, 30, 40, 50, 119, 120, 130]),
    answer(25, { requestId: "retraining-1" }),
  ];
  assert.deepEqual(run({ triggers, cooldownMs: 100 }, records, 400).asked, [
    [20, "labels"],
    [120, "labels"],
  ]);
});

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
  { feature: "origin_flights_1h", edges: [0.25, 0.5, 0.75], counts: [250, 250, 250, 250, 0] },
  { feature: "origin_flights_3h", edges: [], counts: [0, 1000] },
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
      [400, 509, 0, false, "v1"],
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
