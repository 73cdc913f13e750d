import assert from "node:assert/strict";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { sampleFeatures, sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { logisticRegressionGraph } from "../train/logistic-regression-graph.ts";
import { checkInProcess } from "./check-in-process.ts";

const skip = process.platform === "linux" ? false : "it looks into /proc";
const folder = mkdtempSync(join(tmpdir(), "millrace-check-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The process that checks a model for this one, as soon as there is one. */
async function checkerOf(checked: Promise<unknown>): Promise<number> {
  let isOver = false;
  void checked.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("check-process")) continue;
        const [, , , parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
          .replace(/\(.*\)/, "-")
          .split(" ");
        if (parent === String(process.pid)) return Number(pid);
      } catch {
        // It has ended meanwhile.
      }
    }
    await turn();
  }
  throw new Error("the check is over, and its process was not seen");
}

test("a check that takes longer than it may is ended, and says what would be faster", async () => {
  const file = join(folder, "hangs.onnx");
  writeFileSync(file, "");
  const row = { rows: new Float64Array(1), scores: null, tolerance: 1e-5 };
  const request = { file, declaration: { features: ["a"] }, ...row, limitMs: 1_000 };
  await assert.rejects(checkInProcess(request, 1), {
    code: "MODEL_REFUSED",
    message: /did not answer within 0\.001 s: make it smaller, or take fewer golden rows/,
  });
});

test("the process that loads a stranger's model gets none of our settings, and no telemetry", {
  skip,
}, async () => {
  process.env["MILLRACE_REDIS_PASSWORD"] = "secret-of-redis";
  const request = {
    file: "/nowhere/model.onnx",
    declaration: { features: ["a"] },
    rows: new Float64Array(1),
    scores: null,
    tolerance: 1e-5,
    limitMs: 1_000,
  };
  const checked = checkInProcess(request).then(
    () => "passed",
    (error: { code?: string }) => error.code,
  );
  const environment = readFileSync(`/proc/${await checkerOf(checked)}/environ`, "utf8");
  assert.equal(await checked, "MODEL_REFUSED");
  delete process.env["MILLRACE_REDIS_PASSWORD"];
  assert.match(environment, /ORT_DISABLE_TELEMETRY=1/);
  assert.doesNotMatch(environment, /secret-of-redis|MILLRACE_/);
});

test("the check of a model follows no link that waits for its log in the temporary folder", {
  skip,
}, async () => {
  const rows = sampleRows(1_000, "telemetry");
  const preparation = fitPreparation(rows, new Set(["hour"]));
  const design = prepare(preparation, rows);
  const fitted = fitLogisticRegression(design, rows.labels, preparation.columns);
  const file = join(folder, "model.onnx");
  writeFileSync(file, logisticRegressionGraph(sampleFeatures.length, preparation, fitted));
  const checked = checkInProcess({
    file,
    declaration: { features: sampleFeatures },
    rows: rows.values.subarray(0, 100 * sampleFeatures.length),
    scores: null,
    tolerance: 1e-5,
    limitMs: 1_000,
  });
  const planted = join(folder, "of-somebody-else");
  writeFileSync(planted, "kept");
  // It has none of our variables, TMPDIR neither; it loads what would report some time after.
  const log = `/tmp/mat-debug-${await checkerOf(checked)}.log`;
  symlinkSync(planted, log);
  try {
    assert.ok((await checked).artifact.length > 0);
    assert.equal(readFileSync(planted, "utf8"), "kept");
    assert.equal(readlinkSync(log), planted);
  } finally {
    rmSync(log, { force: true });
  }
});
