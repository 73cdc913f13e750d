import assert from "node:assert/strict";
import { test } from "node:test";
import { fitLogisticRegression, lossAndGradient } from "./logistic-regression.ts";
import { fitPreparation, prepare } from "./preparation.ts";
import { referenceHistograms } from "./reference-histograms.ts";
import { sampleFeatures, sampleRows } from "./sample-rows-fixture.ts";
import { seededRandom } from "./seeded-random-fixture.ts";
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
