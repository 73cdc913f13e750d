import assert from "node:assert/strict";
import { access, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ChdbStore, openChdb } from "../../../sinks/chdb/chdb.ts";
import { requireFeatures } from "./feature-columns.ts";
import { checkFiles, FileScoring, partialOf } from "./file-scoring.ts";

const step = { name: "scores", features: ["amount", "visits"] };
const artifacts = { directory: "", ensure: async () => {} };
let folder: string;
let store: ChdbStore;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "millrace-file-scoring-"));
  const [directory, spoolDirectory] = ["rows", "spool"].map((name) => join(folder, name));
  store = await openChdb({
    ...{ directory: directory ?? "", spoolDirectory: spoolDirectory ?? "", database: "scores" },
  });
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** Opens a file of one row. @param columns - as a SELECT names them. */
async function opened(name: string, columns: string | null) {
  const input = join(folder, `${name}.parquet`);
  if (columns !== null) {
    const made = `INSERT INTO FUNCTION file('${input}', 'Parquet') SELECT ${columns}`;
    await store.queryText(made, "TSV");
  }
  const files = { input, output: join(folder, "out.parquet"), pageRows: 10 };
  return await new FileScoring(step, store, artifacts, files).open({ version: "r1", sha256: "1" });
}

test("a column that is no number is no feature, whatever may be read of it", async () => {
  for (const [amount, type] of [
    ["toNullable('1.5')", "Nullable(String)"],
    ["toDate32('2026-01-05')", "Date32"],
    ["[1.5]", "Array(Float64)"],
  ]) {
    const columns = `${amount} AS amount, 1 AS visits`;
    await assert.rejects(opened(String(type), columns), {
      code: "SCORE_REFUSED",
      message: /the column amount of the file is .*, and a feature has to be a number/,
    });
  }
  const numbers = "toNullable(toDecimal32(1.5, 2)) AS amount, true AS visits, 'x' AS id";
  assert.equal((await opened("numbers", numbers)).rows, 1);
  for (const type of ["LowCardinality(Nullable(UInt64))", "BFloat16", "Nullable(Nothing)"]) {
    const columns = step.features.map((name) => ({ name, type }));
    assert.doesNotThrow(() => requireFeatures(columns, step, "the query"));
  }
});

test("a file is held against the step before its rows are taken in", async () => {
  const lacking = opened("lacking", "1 AS amuont, 1 AS visits");
  await assert.rejects(lacking, {
    message:
      /the file has no column amount, a feature of the step scores \(did you mean amuont\?\)/,
  });
  const taken = opened("taken", "1 AS amount, 1 AS visits, 1 AS millrace_row");
  await assert.rejects(taken, /the file has a column millrace_row/);
  await writeFile(join(folder, "text.parquet"), "amount,visits\n1,2\n");
  await assert.rejects(opened("text", null), {
    code: "SCORE_REFUSED",
    message: /text\.parquet cannot be read as Parquet: [^\n]*(?<!version)\.$/,
  });
});

test("what is no file is not waited for, and where nothing can be written nothing is scored", async () => {
  const check = (input: string, output: string) => checkFiles({ input, output, pageRows: 10 });
  const output = join(folder, "no.parquet");
  await assert.rejects(check(folder, output), /is no file: name a Parquet file/);
  await assert.rejects(access(partialOf(output)));
  const input = join(folder, "a file");
  await writeFile(input, "");
  await assert.rejects(check(input, join(input, "out.parquet")), {
    code: "SCORE_REFUSED",
    message: /out\.parquet cannot be written: ENOTDIR/,
  });
});
