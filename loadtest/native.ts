/**
 * Models computed in JavaScript against onnxruntime-node on the same files: time of a row by batch,
 * and the largest difference over a million rows. With --python (lightgbm and onnxmltools
 * installed) LightGBM trains trees, and its own predictor is timed beside them, as is Timber's
 * compiled code where timber-compiler and a C compiler are there. Some minutes.
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

/** What Python has measured beside us, µs a row by batch. */
interface Beside {
  readonly lightgbm: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Of the second model. */
  readonly timber: {
    readonly times: Readonly<Record<string, number>>;
    readonly largest: number;
  } | null;
  /** Why Timber was not asked. */
  readonly why: string;
}

const besideNames = [
  "LightGBM, 100 × 31 leaves",
  "the same of numbers that are never missing",
] as const;

/**
 * Trains LightGBM on rows with missing values and categories, and on rows without, and times its
 * own predictor; its answer is a line of JSON. Timber's compiled code of the second model is timed
 * from C, without its optimizer: with it, version 0.6.0 gives other answers, and where a threshold
 * is beyond a float, as those of missing values are, it writes C that does not compile.
 */
const trainScript = `
import json, os, subprocess, sys, time
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
whole = random.normal(size=(n, features)).astype(numpy.float32)
own = whole[:, 0] + whole[:, 1] * whole[:, 2]
labels = (own + random.normal(size=n) > 0).astype(int)
sizes = [1, 32, 256]

def timed(rows, predict):
    best = 1e9
    for _ in range(40):
        began = time.perf_counter()
        for _ in range(20):
            predict(rows)
        best = min(best, (time.perf_counter() - began) / 20 / len(rows) * 1e6)
    return best

def trained(name, x, y, categories):
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, n_jobs=1, verbose=-1)
    model.fit(x, y, categorical_feature=categories)
    onnx = onnxmltools.convert_lightgbm(
        model, initial_types=[("features", FloatTensorType([None, features]))], zipmap=False)
    open(f"{folder}/{name}.onnx", "wb").write(onnx.SerializeToString())
    model.booster_.save_model(f"{folder}/{name}.txt")
    predict = lambda rows: model.booster_.predict(rows, num_threads=1)
    times = {size: timed(numpy.ascontiguousarray(x[:size]), predict) for size in sizes}
    return times, model.booster_.predict(x)

bench = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "model.h"
int main(int argc, char **argv) {
  const int sizes[] = {1, 32, 256};
  float *rows = malloc(sizeof(float) * 256 * TIMBER_N_FEATURES), out[256 * TIMBER_N_OUTPUTS];
  FILE *file = fopen(argv[1], "rb");
  TimberCtx *ctx;
  if (fread(rows, sizeof(float), 256 * TIMBER_N_FEATURES, file) == 0 || timber_init(&ctx)) return 1;
  for (int s = 0; s < 3; s++) {
    double best = 1e9;
    for (int round = 0; round < 40; round++) {
      struct timespec from, to;
      clock_gettime(CLOCK_MONOTONIC, &from);
      for (int row = 0; row + sizes[s] <= 256; row += sizes[s])
        timber_infer(rows + row * TIMBER_N_FEATURES, sizes[s], out, ctx);
      clock_gettime(CLOCK_MONOTONIC, &to);
      double us = ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / 1e3 / 256;
      if (us < best) best = us;
    }
    printf("%f ", best);
  }
  return 0;
}
"""

def timber(expected):
    from timber.runtime import TimberPredictor
    compiled = TimberPredictor.from_model(f"{folder}/whole.txt", "lightgbm", optimize=False)
    largest = float(numpy.abs(compiled.predict(whole) - expected).max())
    code = os.path.dirname(compiled._lib_path)
    whole[:256].tofile(f"{folder}/rows.bin")
    open(f"{folder}/bench.c", "w").write(bench)
    subprocess.run(["cc", "-O3", "-I", code, f"{folder}/bench.c", str(compiled._lib_path),
        "-Wl,-rpath," + code, "-lm", "-o", f"{folder}/bench"], check=True, stderr=subprocess.PIPE)
    timed = [f"{folder}/bench", f"{folder}/rows.bin"]
    told = subprocess.run(timed, check=True, capture_output=True)
    return {"times": dict(zip(sizes, map(float, told.stdout.split()))), "largest": largest}

first, _ = trained("model", x, y, [29])
second, expected = trained("whole", whole, labels, [])
why = ""
try:
    found = timber(expected)
except Exception as error:
    found, why = None, f"{type(error).__name__}: {error}".split(chr(10))[0]
print(json.dumps({"lightgbm": {"model": first, "whole": second}, "timber": found, "why": why}))
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

/** The trees of LightGBM, and what was measured beside us; null: no Python. */
async function trained(python: string | undefined, folder: string) {
  if (python === undefined) return null;
  const { stdout } = await run(python, ["-c", trainScript, folder], { maxBuffer: 1 << 24 });
  const beside = JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}") as Beside;
  const models: Model[] = [];
  for (const [at, file] of ["model", "whole"].entries()) {
    const bytes = await readFile(join(folder, `${file}.onnx`));
    models.push({ name: besideNames[at] as string, bytes, features: 30 });
  }
  return { models, beside };
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
    made("100 trees of depth 6, of doubles", { trees: 100, depth: 6, isDouble: true }),
    made("100 trees of depth 6, half of the tests for equality", {
      trees: 100,
      depth: 6,
      modes: ["BRANCH_LEQ", "BRANCH_EQ"],
    }),
    { name: "logistic regression, 5 features", bytes: await readFile(linear), features: 5 },
  ];
}

function reportOf(all: readonly Measured[], beside: Beside | null): string {
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
  return [
    `µs a row by the rows of a batch, the fastest of ${rounds} rounds; steps are what a row costs: comparisons that are branches, or multiplications; of comparisons without a branch three are one.`,
    "",
    `| model | steps | ${heads.join(" | ")} | ratio at 1 |`,
    `| --- | ${["", ...heads, ""].map(() => "---:").join(" | ")} |`,
    ...lines,
    "",
    ...besideLines(beside),
    "",
    "| model | rows | with other bits | largest difference |",
    "| --- | ---: | ---: | ---: |",
    ...compared,
  ].join("\n");
}

/** The same trees by those who made them, and by Timber's compiled code. */
function besideLines(beside: Beside | null): string[] {
  if (beside === null) return ["LightGBM and Timber were not asked: there was no Python."];
  const { lightgbm, timber, why } = beside;
  const row = (name: string, times: Readonly<Record<string, number>> = {}) =>
    `| ${name} | ${batches.map((size) => (times[size] ?? Number.NaN).toFixed(2)).join(" | ")} |`;
  const asked =
    timber === null
      ? `Timber was not asked: ${why}.`
      : `Timber's answers differ from LightGBM's by ${timber.largest.toExponential(1)} at most.`;
  return [
    "Beside them, µs a row of the same trees by the rows of a batch:",
    "",
    `| by | ${batches.join(" | ")} |`,
    "| --- | ---: | ---: | ---: |",
    row(`${besideNames[0]}: LightGBM's own predictor from Python, one thread`, lightgbm["model"]),
    row(`${besideNames[1]}: LightGBM's own predictor from Python, one thread`, lightgbm["whole"]),
    ...(timber === null
      ? []
      : [
          row(
            `${besideNames[1]}: Timber's compiled code from C, without its optimizer`,
            timber.times,
          ),
        ]),
    "",
    asked,
  ];
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
  const learnt = await trained(flags.python, folder);
  const models = [...(learnt?.models ?? []), ...(await madeModels())];
  const all: Measured[] = [];
  for (const model of models) all.push(await measure(model, Number(flags.rows)));
  const report = reportOf(all, learnt?.beside ?? null);
  console.log(report);
  if (flags.report !== undefined) {
    const title = "# Models computed in JavaScript against onnxruntime-node";
    const command = `Reproduce: \`node dist/loadtest/native.js --rows ${flags.rows}${flags.python ? " --python FILE" : ""}\`.`;
    await writeFile(flags.report, `${title}\n\n${await circumstances()} ${command}\n\n${report}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
