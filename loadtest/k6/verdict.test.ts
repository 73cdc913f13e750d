import assert from "node:assert/strict";
import { test } from "node:test";
import { reportText } from "./report.ts";
import { failuresOf, type K6Summary } from "./verdict.ts";

const good: K6Summary = {
  metrics: {
    prediction_ms: {
      type: "trend",
      values: { "p(50)": 91.234, "p(95)": 150, "p(99)": 180.5, max: 1_201, count: 15_000 },
      thresholds: { "p(99)<200": { ok: true } },
    },
    errors: {
      type: "counter",
      values: { count: 0, rate: 0 },
      thresholds: { "count==0": { ok: true } },
    },
    ids_missing: { type: "gauge", values: { value: 0 }, thresholds: { "value==0": { ok: true } } },
  },
  required: ["prediction_ms", "ids_missing"],
};

function changed(name: string, metric: Partial<K6Summary["metrics"][string]>): K6Summary {
  const before = good.metrics[name] as K6Summary["metrics"][string];
  return { ...good, metrics: { ...good.metrics, [name]: { ...before, ...metric } } };
}

test("a run in which every threshold held has not failed", () => {
  assert.deepEqual(failuresOf(good, 0), []);
});

test("a threshold that did not hold is named with what was measured", () => {
  const missing = { values: { value: 3 }, thresholds: { "value==0": { ok: false } } };
  assert.deepEqual(failuresOf(changed("ids_missing", missing), 99), [
    "ids_missing value==0 does not hold: value 3",
  ]);
});

test("a threshold on what was not measured does not hold, though k6 says so", () => {
  const { ids_missing: _, ...metrics } = good.metrics;
  assert.deepEqual(failuresOf({ ...good, metrics }, 0), ["ids_missing was not measured"]);
  const empty = changed("prediction_ms", { values: { "p(50)": 0, "p(99)": 0, max: 0, count: 0 } });
  assert.deepEqual(failuresOf(empty, 0), ["prediction_ms was not measured"]);
});

test("a script that broke has failed, with a summary or without", () => {
  assert.deepEqual(failuresOf(null, 107), ["k6 ended with 107 and without a summary"]);
  assert.deepEqual(failuresOf(null, null), ["k6 ended with a signal and without a summary"]);
  assert.deepEqual(failuresOf(good, 107), ["k6 ended with 107"]);
});

test("the report says what was run, where, what came of it and what failed", () => {
  const text = reportText({
    ...{ script: "ingest-kafka", command: "npm run loadtest -- --rate 1000" },
    ...{ circumstances: "Commit abc; 2 × CPU.", loadAverage: 3.4 },
    ...{
      settings: { RATE: "1000", LENGTH: "30s" },
      summary: good,
      notes: [],
      failures: ["ids are missing"],
    },
  });
  assert.equal(
    text,
    `# k6: ingest-kafka, RATE=1000, LENGTH=30s

Command: \`npm run loadtest -- --rate 1000\`
Commit abc; 2 × CPU. Load average at the end: 3.

| ms | p50 | p95 | p99 | most | measured |
| --- | ---: | ---: | ---: | ---: | ---: |
| prediction_ms | 91.23 | 150 | 180.5 | 1,201 | 15,000 |

| counted | | a second |
| --- | ---: | ---: |
| errors | 0 | 0 |
| ids_missing | 0 |  |

| threshold | |
| --- | --- |
| errors count==0 | held |
| ids_missing value==0 | held |
| prediction_ms p(99)<200 | held |

**It failed:**

- ids are missing

What each line means: [load tests](../../docs/load-tests.md).
`,
  );
});
