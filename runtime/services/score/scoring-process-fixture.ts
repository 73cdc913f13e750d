/** A process of its own that scores in a thread, and in its main thread; argv: data directory. */
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { sampleFeatures, sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { openArtifactStore } from "../train/artifacts.ts";
import { logisticRegressionGraph } from "../train/logistic-regression-graph.ts";
import { createScoringPool } from "./scoring-pool.ts";

const artifacts = openArtifactStore(join(process.argv[2] ?? ".", "models"));
const rows = sampleRows(1_000, "telemetry");
const preparation = fitPreparation(rows, new Set(["hour"]));
const design = prepare(preparation, rows);
const fitted = fitLogisticRegression(design, rows.labels, preparation.columns);
const sha = await artifacts.put(
  logisticRegressionGraph(sampleFeatures.length, preparation, fitted),
);
for (const threads of [1, 0]) {
  const pool = createScoringPool({ artifacts, threads });
  const { probabilities } = await pool.score({
    versions: ["v1"],
    artifacts: [sha],
    versionOf: new Uint16Array(10),
    rows: sampleRows(10, "work").values,
    features: sampleFeatures.length,
    sourcePartitions: new Uint16Array(10),
    sourceOffsets: new Float64Array(10),
    putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
  });
  if (!(Number(probabilities[0]) > 0)) throw new Error("nothing was scored");
  // What reports does so beside its caller, and shortly after.
  await wait(1_500);
  await pool.close();
}
