import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readExplainResult } from "../../../processors/scoring/explain-work.ts";
import { ByteReader } from "../../../schemas/bytes.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import { plan } from "../../predict/predict-fixture.ts";
import { loadOnnxModel } from "../score/onnx-model.ts";
import { openArtifactStore } from "../train/artifacts.ts";
import { explaining } from "./explain-service.ts";

const fixtures = join(packageRoot(), "examples", "models", "fixtures");
const known = JSON.parse(readFileSync(join(fixtures, "scores.json"), "utf8")) as {
  readonly features: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
};
const { features } = known;
const directory = await mkdtemp(join(tmpdir(), "explain-"));
after(() => rm(directory, { recursive: true, force: true }));

/** Opened as a run opens it; threads 0: on the calling one. */
const open = (threads: number) => {
  const artifacts = openArtifactStore(directory);
  const offline = { query: async () => [], queryStream: () => assert.fail("it asks no store") };
  const whenStored = async () => {};
  return {
    artifacts,
    service: explaining.open({ plan, artifacts, offline, whenStored, scoringThreads: threads }),
  };
};
const [subtopology] = plan.subtopologies;
assert.ok(subtopology !== undefined);

test("threads explain rows of several models in their order, and as the calling thread does", async () => {
  const { artifacts, service } = open(2);
  const names = ["xgboost", "lightgbm-tensor", "sklearn-double"] as const;
  const files = names.map((name) => readFileSync(join(fixtures, `${name}.onnx`)));
  const sha256 = await Promise.all(files.map((bytes) => artifacts.put(bytes)));
  const rows = 150;
  const versionOf = Uint16Array.from({ length: rows }, (_, row) => row % names.length);
  const vectors = Float64Array.from({ length: rows * features.length }, (_, at) => {
    const row = known.rows[Math.floor(at / features.length) % known.rows.length];
    return row?.[at % features.length] ?? Number.NaN;
  });
  const work = { versions: names, artifacts: sha256, versionOf, rows: vectors, features, most: 2 };
  const bytes = await service.run(work, subtopology);
  const explained = readExplainResult(new ByteReader(bytes), rows);
  for (const [version, name] of names.entries()) {
    const model = await loadOnnxModel(files[version] as Buffer, { features });
    const scores = await model.score(vectors);
    await model.release();
    for (let row = version; row < rows; row += names.length) {
      const told = explained[row];
      assert.ok(told !== undefined);
      if (name === "sklearn-double") {
        assert.match("why" in told ? told.why : "", /no function of one score/);
        continue;
      }
      assert.ok(!("why" in told), "why" in told ? told.why : "");
      assert.ok(told.contributions.length <= 2);
      const margin = told.contributions.reduce(
        (sum, { contribution }) => sum + contribution,
        told.expected + told.rest,
      );
      const score = scores[row] as number;
      assert.ok(Math.abs(1 / (1 + Math.exp(-margin)) - score) < 1e-6, `${name}, row ${row}`);
    }
  }
  const { service: here } = open(0);
  assert.equal(String(await here.run(work, subtopology)), String(bytes));
  await here.close();
  await service.close();
});

test("an artifact that is nowhere is an error and no reason: there is a score of it", async () => {
  const { service } = open(0);
  const sha256 = "0".repeat(64);
  const work = { versions: ["v1"], artifacts: [sha256], versionOf: Uint16Array.of(0) };
  const rows = new Float64Array(features.length);
  await assert.rejects(service.run({ ...work, rows, features, most: 1 }, subtopology), {
    code: "ARTIFACT_MISSING",
  });
  await service.close();
});
