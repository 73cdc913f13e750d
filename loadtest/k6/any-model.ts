import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fitLogisticRegression } from "../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../processors/train/preparation.ts";
import { logisticRegressionGraph } from "../../runtime/services/train/logistic-regression-graph.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { seededRandom } from "../seeded-random.ts";

const run = promisify(execFile);
const rows = 400;

/**
 * Makes a model champion of the flights that run on a data directory: one of the built-in trainer,
 * fitted to numbers drawn by a seed. What it says is of no use; it takes as long as a useful one.
 */
export async function registerAnyModel(data: string, work: string): Promise<void> {
  const [scoring] = predictionsOf(flights);
  if (scoring === undefined) throw new Error("flights have no scoring step");
  const { features, model } = scoring;
  const random = seededRandom(1);
  const values = Float64Array.from({ length: rows * features.length }, () => random() * 100);
  const labels = Uint8Array.from({ length: rows }, (_, row) => {
    return (values[row * features.length] as number) + random() * 50 > 75 ? 1 : 0;
  });
  const training = { n: rows, features, values, labels, knownAt: new Float64Array(rows) };
  const preparation = fitPreparation(training, new Set());
  const fitted = fitLogisticRegression(prepare(preparation, training), labels, preparation.columns);
  const file = join(work, "any-model.onnx");
  await writeFile(file, logisticRegressionGraph(features.length, preparation, fitted));
  const how = ["--name", model.name, "--alias", "champion", "--why", "a load test"];
  const program = join(packageRoot(), "dist", "cli", "main.js");
  const args = [program, "models", "register", file, ...how, "--data", data];
  await run(process.execPath, args, { timeout: 120_000 });
}
