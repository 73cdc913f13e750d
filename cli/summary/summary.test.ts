import assert from "node:assert/strict";
import { test } from "node:test";
import { summaryText } from "./print.ts";
import {
  type BalanceInput,
  type BranchSummary,
  imbalances,
  type Summary,
  topologySummary,
} from "./summary.ts";

const branch = (name: string, counts: Partial<BranchSummary>): BranchSummary => ({
  source: "flights.departures",
  partition: 0,
  branch: name,
  in: 10,
  processed: 10,
  late: 0,
  deadLettered: 0,
  filtered: 0,
  excluded: 0,
  duplicates: 0,
  ...counts,
});

const balanced: BalanceInput = {
  branches: [
    branch("predictions", { in: 14, processed: 10, late: 2, deadLettered: 1, filtered: 1 }),
    branch("origin_traffic@1", { in: 14, processed: 11, late: 2, deadLettered: 1 }),
  ],
  scoringBranches: ["predictions"],
  predictions: 10,
  unasked: 0,
  outcomes: { labelled: 4, takenForNegative: 3, unknown: 1, pending: 2 },
  tables: [{ table: "raw_predictions", rows: 10, records: 10 }],
};

test("a run in which everything adds up is balanced", () => {
  assert.deepEqual(imbalances(balanced), []);
});

test("each thing that does not add up is named", () => {
  const wrong: [Partial<BalanceInput>, RegExp][] = [
    [{ branches: [branch("predictions", { processed: 9 }), branch("x", { processed: 1 })] }, /= 9/],
    [
      { predictions: 11, outcomes: { labelled: 5, takenForNegative: 3, unknown: 1, pending: 2 } },
      /11 predictions of 10/,
    ],
    [
      { outcomes: { labelled: 4, takenForNegative: 3, unknown: 1, pending: 1 } },
      /labelled 4 \+ taken for negative 3 \+ unknown 1 \+ pending 1/,
    ],
    [{ outcomes: { labelled: 11, takenForNegative: 0, unknown: 0, pending: -1 } }, /pending -1/],
    [{ tables: [{ table: "raw_predictions", rows: 9, records: 10 }] }, /9 rows of 10 committed/],
  ];
  for (const [change, named] of wrong) {
    assert.match(imbalances({ ...balanced, ...change }).join("\n"), named);
  }
});

test("the summary for people says that it balances, or what does not", () => {
  const deadLettersByCode = { EVENT_TIME_AHEAD: 1_070, NULL_KEY: 1 };
  const rejects = { lateRecords: 2, deadLetters: 1, deadLettersByCode };
  const summary: Summary = {
    stack: "embedded",
    range: { from: "2001-01-01T00:00:00.000Z", to: "2001-01-15T00:00:00.000Z" },
    balanced: true,
    topologies: { flights: topologySummary(balanced.branches, rejects) },
    features: { rows: 1_234_567 },
    predictions: { total: 10, fallback: 4, byVersion: { v1: 6 } },
    outcomes: balanced.outcomes,
    models: [
      {
        model: "late",
        version: "v1",
        promoted: true,
        trainedOn: 20_000,
        effectiveFrom: "2001-01-03T01:02:24Z",
        holdoutAuc: 0.7234,
        scored: 6,
        labelled: 5,
        liveAuc: null,
        sha256: "ab",
      },
      {
        model: "late",
        version: "v2",
        promoted: false,
        trainedOn: 0,
        effectiveFrom: "2001-01-04T01:02:24Z",
        holdoutAuc: null,
        scored: 0,
        labelled: 0,
        liveAuc: null,
        sha256: "",
      },
    ],
    fallbackAuc: 0.5,
    throughput: { eventsPerSecond: 5000.4 },
    memory: { maxRssBytes: 2 ** 30, workerMaxRssBytes: { "0": 2 ** 28, "1": 2 ** 29 } },
  };
  const text = summaryText(summary, []);
  for (const part of ["1,234,567", "4 by the fallback (AUC 0.500)", "5,000 events/s", "1,024 MB"]) {
    assert.ok(text.includes(part), part);
  }
  assert.match(text, /v1 +yes +2001-01-03 01:02 +20,000 +0\.723 +6 +-\n/);
  assert.match(text, /v2 +no model +2001-01-04 01:02 +0 +- +0 +-\n/);
  const two = summary.models.map((each, at) => ({ ...each, model: at === 0 ? "late" : "early" }));
  const several = summaryText({ ...summary, models: two, fallbackAuc: null }, []);
  assert.match(several, /late v1 +yes.*\nearly v2 +no model/);
  assert.match(several, /4 by the fallback\n/);
  assert.match(text, /1,024 MB at most; workers 256, 512 MB\n/);
  assert.match(text, /Balanced: every record/);
  assert.match(text, /ground truth +4 labelled, 3 taken for negative, 1 unknown, 2 pending\n/);
  // Each branch of a source counts a record that is put aside; the record is one.
  assert.match(text, /, 4 late \(2 records\), 2 dead-lettered \(1 record\), 1 filtered\n/);
  assert.match(
    text,
    /\nWARNING: flights refused records: 1,070 EVENT_TIME_AHEAD, 1 NULL_KEY\. millrace /,
  );
  const none = topologySummary(balanced.branches, { ...rejects, deadLettersByCode: {} });
  const calm = summaryText({ ...summary, topologies: { flights: none } }, []);
  assert.doesNotMatch(calm, /WARNING/);
  assert.match(summaryText({ ...summary, balanced: null }, []), /Not added up: .* verify/);
  assert.match(
    summaryText({ ...summary, balanced: false }, ["x is missing"]),
    /NOT balanced:\n- x/,
  );
});
