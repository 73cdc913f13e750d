/**
 * Models computed in JavaScript against onnxruntime-node on the same files: time of a row by batch,
 * and the largest difference over a million rows. With --python (lightgbm and onnxmltools
 * installed) LightGBM trains the trees, categories among their features, and its own predictor is
 * timed beside them. Some minutes.
 *
 * node dist/loadtest/native.js --help
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { nativeModel } from "../processors/scoring/native/native-model.ts";
import {
  type EnsembleShape,
  ensembleFile,
  ensembleRows,
  plainEnsemble,
} from "../runtime/services/score/ensemble-fixture.ts";
import { loadOnnxModel } from "../runtime/services/score/onnx-model.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";

const run = promisify(execFile);
const batches = [1, 32, 256] as const;
/** Rounds of which the fastest counts: others share the machine. */
const rounds = 40;

interface Model {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly features: number;
}

interface Measured {
  readonly name: string;
  readonly cost: number;
  /** µs a row by batch: JavaScript, onnxruntime. */
  readonly times: readonly (readonly [number, number])[];
  readonly compared: number;
  readonly sameBits: number;
  readonly largest: number;
}

const largeShape: EnsembleShape = {
  ...plainEnsemble,
  kind: "classifier",
  features: 30,
  targets: 2,
  only: 0,
  tracksMissing: true,
  transform: "LOGISTIC",
};

/** Trains and times LightGBM; its answer is a line of JSON. */
const trainScript = `
import json, sys, time
import lightgbm, numpy, onnxmltools
from onnxmltools.convert.common.data_types import FloatTensorType
folder = sys.argv[1]
random = numpy.random.default_rng(1)
n, features = 20000, 30
x = random.normal(size=(n, features)).astype(numpy.float32)
x[random.random((n, features)) < 0.05] = numpy.nan
x[:, 29] = random.integers(0, 12, n)
z = numpy.nan_to_num(x)
signal = z[:, 0] + z[:, 1] * z[:, 2] + numpy.isin(z[:, 29], [1, 5, 7])
y = (signal + random.normal(size=n) > 0).astype(int)
model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1)
model.fit(x, y, categorical_feature=[29])
onnx = onnxmltools.convert_lightgbm(
    model, initial_types=[("features", FloatTensorType([None, features]))], zipmap=False)
open(folder + "/model.onnx", "wb").write(onnx.SerializeToString())
model.booster_.save_model(folder + "/model.txt")
times = {}
for size in [1, 32, 256]:
    rows = numpy.ascontiguousarray(x[:size])
    best = 1e9
    for _ in range(40):
        began = time.perf_counter()
        for _ in range(20):
            model.booster_.predict(rows, num_threads=1)
        best = min(best, (time.perf_counter() - began) / 20 / size * 1e6)
    times[size] = best
print(json.dumps(times))
`;

async function fastest(work: () => Promise<unknown>, rows: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const began = performance.now();
    await work();
    best = Math.min(best, ((performance.now() - began) * 1000) / rows);
  }
  return best;
}

async function measure({ name, bytes, features }: Model, rows: number): Promise<Measured> {
  const model = await loadOnnxModel(bytes);
  const native = nativeModel(bytes, model.reading);
  if ("why" in native) throw new Error(`${name}: ${native.why}`);
  const timedRows = 2_048;
  const values = ensembleRows(timedRows, features, name);
  const times: (readonly [number, number])[] = [];
  for (const size of batches) {
    const parts = Array.from({ length: timedRows / size }, (_, i) =>
      values.slice(i * size * features, (i + 1) * size * features),
    );
    const ours = async () => {
      for (const part of parts) native.score(part);
    };
    const theirs = async () => {
      for (const part of parts) await model.score(part);
    };
    times.push([await fastest(ours, timedRows), await fastest(theirs, timedRows)]);
  }
  let [compared, sameBits, largest] = [0, 0, 0];
  for (let block = 0; compared < rows; block++) {
    const some = ensembleRows(Math.min(50_000, rows - compared), features, `${name} ${block}`);
    const [answers, expected] = [native.score(some), await model.score(some)];
    for (const [row, wanted] of expected.entries()) {
      const answer = answers[row] as number;
      if (Object.is(answer, wanted)) sameBits++;
      else largest = Math.max(largest, Math.abs(answer - wanted));
    }
    compared += expected.length;
  }
  await model.release();
  return { name, cost: native.cost, times, compared, sameBits, largest };
}

/** The trees of LightGBM, and the µs a row of its own predictor by batch; null: no Python. */
async function trained(python: string | undefined, folder: string) {
  if (python === undefined) return null;
  const { stdout } = await run(python, ["-c", trainScript, folder], { maxBuffer: 1 << 24 });
  const times = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as Record<string, number>;
  const bytes = await readFile(join(folder, "model.onnx"));
  return { model: { name: "LightGBM, 100 × 31 leaves", bytes, features: 30 }, times };
}

async function madeModels(): Promise<Model[]> {
  const made = (name: string, shape: Partial<EnsembleShape>): Model => {
    const bytes = ensembleFile({ ...largeShape, ...shape }, name);
    return { name, bytes, features: 30 };
  };
  const linear = join(packageRoot(), "examples", "models", "fixtures", "sklearn-tensor.onnx");
  return [
    made("20 trees of depth 5", { trees: 20, depth: 5 }),
    made("100 trees of depth 6", { trees: 100, depth: 6 }),
    made("300 trees of depth 6", { trees: 300, depth: 6 }),
    made("500 trees of depth 8", { trees: 500, depth: 8 }),
    { name: "logistic regression, 5 features", bytes: await readFile(linear), features: 5 },
  ];
}

function reportOf(all: readonly Measured[], lightgbm: Record<string, number> | null): string {
  const number = (value: number) => value.toFixed(2);
  const lines = all.map(({ name, cost, times }) => {
    const cells = times.flatMap(([ours, theirs]) => [number(ours), number(theirs)]);
    const [[ours, theirs] = [0, 1]] = times;
    return `| ${name} | ${Math.round(cost)} | ${cells.join(" | ")} | ${number(ours / theirs)} |`;
  });
  const heads = batches.flatMap((size) => [`JavaScript, ${size}`, `onnxruntime, ${size}`]);
  const compared = all.map(
    ({ name, compared: rows, sameBits, largest }) =>
      `| ${name} | ${rows} | ${rows - sameBits} | ${largest.toExponential(1)} |`,
  );
  const own =
    lightgbm === null
      ? "LightGBM was not asked: there was no Python."
      : `LightGBM's own predictor from Python, one thread: ${batches
          .map((size) => `${number(lightgbm[size] ?? Number.NaN)} µs a row in batches of ${size}`)
          .join(", ")}.`;
  return [
    `µs a row by the rows of a batch, the fastest of ${rounds} rounds; steps are comparisons or multiplications a row.`,
    "",
    `| model | steps | ${heads.join(" | ")} | ratio at 1 |`,
    `| --- | ${["", ...heads, ""].map(() => "---:").join(" | ")} |`,
    ...lines,
    "",
    own,
    "",
    "| model | rows | with other bits | largest difference |",
    "| --- | ---: | ---: | ---: |",
    ...compared,
  ].join("\n");
}

const { values: flags } = programFlags({
  command: "node dist/loadtest/native.js",
  does: "Models computed in JavaScript against onnxruntime-node on the same files: time of a row by batch, and the largest difference over many rows.",
  flags: {
    rows: { type: "string", takes: "N", default: "1000000", help: "whose answers are compared" },
    python: {
      type: "string",
      takes: "FILE",
      help: "a Python with lightgbm and onnxmltools: LightGBM trains the trees then, and its own predictor is timed as well",
    },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where it could not measure",
});
const folder = await mkdtemp(join(tmpdir(), "millrace-native-"));
try {
  const lightgbm = await trained(flags.python, folder);
  const models = [...(lightgbm === null ? [] : [lightgbm.model]), ...(await madeModels())];
  const all: Measured[] = [];
  for (const model of models) all.push(await measure(model, Number(flags.rows)));
  const report = reportOf(all, lightgbm?.times ?? null);
  console.log(report);
  if (flags.report !== undefined) {
    const title = "# Models computed in JavaScript against onnxruntime-node";
    const command = `Reproduce: \`node dist/loadtest/native.js --rows ${flags.rows}${flags.python ? " --python FILE" : ""}\`.`;
    await writeFile(flags.report, `${title}\n\n${await circumstances()} ${command}\n\n${report}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
