import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, labels, outcome, prediction, run } from "./watch-fixture.ts";

const every = (from: number, to: number, step: number) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

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
