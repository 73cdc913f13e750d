import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goldenRows } from "./check-rows.ts";

let folder: string;
let file: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "millrace-golden-"));
  file = join(folder, "golden.json");
  const rows = [
    [1, null],
    [3, 4],
  ];
  await writeFile(file, JSON.stringify({ features: ["c", "a"], rows, scores: [0.1, 0.2] }));
});
after(() => rm(folder, { recursive: true, force: true }));

test("golden rows of a model that takes some features need those alone", async () => {
  const { values, scores } = await goldenRows(file, ["a", "b", "c"], ["c", "a"]);
  assert.deepEqual([...values], [Number.NaN, Number.NaN, 1, 4, Number.NaN, 3]);
  assert.deepEqual([...(scores ?? [])], [0.1, 0.2]);
});

test("golden rows without a feature that the model takes are refused, naming it", async () => {
  const refused = { code: "MODEL_REFUSED", message: /golden\.json lack the feature b\.$/ };
  await assert.rejects(goldenRows(file, ["a", "b", "c"], ["a", "b"]), refused);
  await assert.rejects(goldenRows(file, ["a", "b", "c"], null), refused);
});
