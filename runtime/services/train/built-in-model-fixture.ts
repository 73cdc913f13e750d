import { writeFileSync } from "node:fs";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";
import { logisticRegressionGraph } from "./logistic-regression-graph.ts";

/** Writes a logistic regression over features, as the built-in trainer does; gives the file. */
export function writeBuiltInModel(
  file: string,
  features: readonly string[],
  seed = "built-in",
): string {
  const random = seededRandom(seed);
  const n = 500;
  const values = Float64Array.from({ length: n * features.length }, () => random(1_000) / 500);
  const labels = Uint8Array.from({ length: n }, (_, row) =>
    (values[row * features.length] as number) > 1 ? 1 : 0,
  );
  const rows = { n, features, values, labels, knownAt: new Float64Array(n) };
  const preparation = fitPreparation(rows, new Set());
  const fitted = fitLogisticRegression(prepare(preparation, rows), labels, preparation.columns);
  writeFileSync(file, logisticRegressionGraph(features.length, preparation, fitted));
  return file;
}
