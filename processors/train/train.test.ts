import assert from "node:assert/strict";
import { test } from "node:test";
import { gainLowerBound } from "./gain-bootstrap.ts";
import { judge } from "./gate.ts";
import { fitLogisticRegression, lossAndGradient } from "./logistic-regression.ts";
import { fitPreparation, prepare } from "./preparation.ts";
import { referenceHistograms } from "./reference-histograms.ts";
import { sampleFeatures, sampleRows } from "./sample-rows-fixture.ts";
import { seededRandom } from "./seeded-random.ts";
import { splitByTime } from "./training-rows.ts";

const calendar = new Set(["hour"]);

test("the last fifth of the rows in time is held out", () => {
  const { train, holdout } = splitByTime(sampleRows(103, "split"));
  assert.equal(train.n, 83);
  assert.equal(holdout.n, 20);
  assert.ok((train.knownAt.at(-1) as number) < (holdout.knownAt[0] as number));
});

test("features that are missing together share one indicator, constants are left out", () => {
  const preparation = fitPreparation(sampleRows(2_000, "prepare"), calendar);
  assert.deepEqual(
    preparation.scaled.map(({ feature }) => sampleFeatures[feature]),
    ["delay", "delayTwin", "traffic"],
  );
  assert.deepEqual(
    preparation.indicators.map((feature) => sampleFeatures[feature]),
    ["delay"],
  );
  assert.equal(preparation.categories[0]?.values.length, 24);
  assert.equal(preparation.columns, 3 + 1 + 24);
});

test("the gradient equals differences of the loss", () => {
  const rows = sampleRows(300, "gradient");
  const preparation = fitPreparation(rows, calendar);
  const { columns } = preparation;
  const design = prepare(preparation, rows);
  const problem = { design, labels: rows.labels, columns, penalty: 0.01 };
  const random = seededRandom("point");
  const point = Float64Array.from({ length: columns + 1 }, () => random(1000) / 1000 - 0.5);
  const gradient = new Float64Array(columns + 1);
  const spare = new Float64Array(columns + 1);
  lossAndGradient(problem, point, gradient);
  for (let i = 0; i <= columns; i++) {
    const up = point.slice();
    const down = point.slice();
    up[i] = (up[i] as number) + 1e-5;
    down[i] = (down[i] as number) - 1e-5;
    const slope =
      (lossAndGradient(problem, up, spare) - lossAndGradient(problem, down, spare)) / 2e-5;
    assert.ok(Math.abs(slope - (gradient[i] as number)) < 1e-8, `component ${i}`);
  }
});

test("the fit is where the gradient vanishes, in few iterations, and the same every time", () => {
  const rows = sampleRows(5_000, "fit");
  const preparation = fitPreparation(rows, calendar);
  const design = prepare(preparation, rows);
  const fit = () => fitLogisticRegression(design, rows.labels, preparation.columns);
  const model = fit();
  const { columns } = preparation;
  const point = Float64Array.of(...model.weights, model.intercept);
  const gradient = new Float64Array(columns + 1);
  lossAndGradient({ design, labels: rows.labels, columns, penalty: 1e-3 }, point, gradient);
  assert.ok(gradient.every((component) => Math.abs(component) < 1e-7));
  assert.ok(model.iterations <= 40, `${model.iterations} iterations`);
  assert.deepEqual(fit(), model);
});

test("the bootstrap bound is the same for a seed and another for another seed", () => {
  const n = 800;
  const random = seededRandom("bootstrap");
  const labels = Uint8Array.from({ length: n }, () => random(2));
  const noise = () => random(1000) / 500;
  const good = Float64Array.from(labels, (label) => label + noise());
  const fair = Float64Array.from(labels, (label) => label / 2 + noise());
  const bound = gainLowerBound(labels, good, fair, "retraining-1");
  assert.equal(gainLowerBound(labels, good, fair, "retraining-1"), bound);
  assert.notEqual(gainLowerBound(labels, good, fair, "retraining-2"), bound);
  assert.ok(bound > 0.05, `bound ${bound}`);
  assert.equal(gainLowerBound(labels, good, good, "retraining-1"), 0);
});

test("the gate refuses noise, no gain and an uncertain gain, and says why", () => {
  const n = 2_000;
  const random = seededRandom("gate");
  const labels = Uint8Array.from({ length: n }, () => random(2));
  const noise = () => random(1000) / 500;
  const good = Float64Array.from(labels, (label) => label + noise());
  const worse = Float64Array.from(labels, (label) => label / 3 + noise());
  const random_ = Float64Array.from(labels, noise);
  assert.equal(judge(labels, good, null, "r-1").promoted, true);
  assert.match(judge(labels, random_, null, "r-1").reason, /not above 0.6/);
  assert.match(judge(labels, worse, good, "r-1").reason, /no gain/);
  assert.match(judge(labels, good, good, "r-1").reason, /no gain/);
  assert.equal(judge(labels, good, worse, "r-1").promoted, true);
  // With so few rows the gain may be an accident: one pair put right, others put wrong.
  const few = Uint8Array.from({ length: 60 }, (_, i) => i % 2);
  const champion = Float64Array.from(few, (label, i) => label * 20 + ((i * 37) % 60));
  const challenger = champion.map(
    (score, i) => score + (i % 4 === 1 ? 9 : 0) - (i % 6 === 5 ? 12 : 0),
  );
  const uncertain = judge(few, challenger, champion, "r-1");
  assert.ok((uncertain.holdoutAuc as number) > (uncertain.championAuc as number));
  assert.match(uncertain.reason, /the 99 % bound of the gain is -0\.\d+, not above/);
  assert.equal(uncertain.promoted, false);
  const single = judge(new Uint8Array(n), good, null, "r-1");
  assert.equal(single.promoted, false);
  assert.equal(single.holdoutAuc, null);
});

test("reference histograms count every row once and leave calendar features out", () => {
  const rows = sampleRows(1_000, "reference");
  const histograms = referenceHistograms(rows, calendar);
  assert.deepEqual(
    histograms.map(({ feature }) => feature),
    ["delay", "delayTwin", "traffic", "constant"],
  );
  for (const { feature, edges, counts } of histograms) {
    assert.equal(counts.length, edges.length + 2);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      rows.n,
    );
    assert.ok(
      edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as number)),
      feature,
    );
  }
  assert.deepEqual(histograms[3]?.edges, [7, 7.000000000000001], "a constant is a bin");
});
