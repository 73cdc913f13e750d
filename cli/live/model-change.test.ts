/** Models that are registered, promoted and rolled back while a live run scores by them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { rereadRun } from "../../audit/reread/reread-run.ts";
import { mlflowScript } from "../../gateway/mlflow/mlflow-script-fixture.ts";
import { writeBuiltInModel } from "../../runtime/services/train/built-in-model-fixture.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { stepsOf } from "../../schemas/plan.ts";
import type { Inspector } from "../../serving/inspector.ts";
import type { ModelEntry } from "../../serving/model-desk.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { connectInspector } from "../inspect/socket-client.ts";
import {
  askMillrace,
  killStarted,
  type Started,
  startMillrace,
  until,
  withStack,
} from "../millrace-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-model-change-"));
const data = join(folder, "data");
let run: Started;
let inspector: Inspector;
before(async () => {
  run = startMillrace(
    ...["run", "--live", "--for", "10m", "--rate", "100", "--flight-time", "1s"],
    ...["--max-wait", "2s", "--metrics", "off", "--listen", "0", "--data", data],
  );
  inspector = await until("the run", () => connectInspector(data));
});
after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

const fixtures = join(packageRoot(), "examples", "models", "fixtures");
const [scoring] = stepsOf(plan, "scoring");
const features = scoring?.features ?? [];
const order = features.slice(0, 5).join(",");

function gateway(): Promise<string> {
  return until("the gateway", () => /gateway +(http:\S+)/.exec(run.out())?.[1] ?? null);
}

async function models(...args: string[]): Promise<ModelEntry> {
  const { code, out, err } = await askMillrace("models", ...args, "--json", "--data", data);
  assert.equal(code, 0, err);
  return JSON.parse(out) as ModelEntry;
}

async function refused(...args: string[]): Promise<string> {
  const { code, err } = await askMillrace("models", ...args, "--data", data);
  assert.notEqual(code, 0);
  return err;
}

/**
 * How long after a change the first record known was that the version has scored, and until it
 * was answered, the load of the model included, in ms; and how many since then were late, and so
 * answered by the fallback, as on a machine that is busy.
 */
async function answeredAfter({
  version,
  effectiveFrom,
}: Pick<ModelEntry, "version" | "effectiveFrom">) {
  const ask = async () => {
    const query = `WITH ${effectiveFrom} AS since, toUnixTimestamp64Milli(known_at) AS known,
        version = '${version}' AND known > since AS wanted
      SELECT countIf(wanted) AS n, minIf(known, wanted) - since AS knownMs,
        minIf(known + latency_ms, wanted) - since AS answeredMs,
        countIf(fallback_reason = 'late' AND known > since) AS late
      FROM predictions`;
    const text = await inspector.sql({ query, format: "JSONEachRow", topology: null });
    const { n, ...told } = JSON.parse(text) as Record<
      "n" | "knownMs" | "answeredMs" | "late",
      number
    >;
    return Number(n) > 0 ? told : null;
  };
  return await until(`an answer of ${version}`, ask, 250);
}

/** Times of a change for whoever reads the test's output. */
async function told(what: string, change: Pick<ModelEntry, "version" | "effectiveFrom">) {
  const { knownMs, answeredMs, late } = await answeredAfter(change);
  const [known, answered] = [Math.round(knownMs), Math.round(answeredMs)];
  return `${what}: scores records known ${known} ms after it, answers at ${answered} ms; ${late} so far were late`;
}

test("the stream is scored by a LightGBM model once it is promoted, and by the one before after a rollback", async (t) => {
  const name = ["--name", scoring?.model.name ?? ""];
  const lightgbm = join(fixtures, "lightgbm-zipmap.onnx");
  assert.match(await refused("register", lightgbm, ...name), /takes 5 features.*--order/s);

  const first = await models(
    "register",
    writeBuiltInModel(join(folder, "built-in.onnx"), features),
    ...name,
    "--alias",
    "champion",
  );
  assert.deepEqual([first.version, first.from, first.champion], ["r1", "", true]);
  t.diagnostic(await told("the first champion", first));
  assert.match(await refused("rollback", ...name.slice(1)), /MODEL_NO_PREVIOUS.*it had r1 alone/);
  const none = join(folder, "none.onnx");
  assert.match(await refused("register", none, ...name), /there is no file .*none\.onnx/);
  const unknown = ["--order", order, "--output", "probabilitys"];
  assert.match(
    await refused("register", lightgbm, ...name, ...unknown),
    /no output "probabilitys" \(did you mean probabilities\?\); found: .*probabilities/s,
  );
  const routes = await askMillrace("models", "route", ...name.slice(1), "--data", data);
  assert.match(routes.out, /has no routes: its champion answers all. Champion: r1\./);
  const sql = await askMillrace("sql", "SELECT 1 FROM nothing", "--data", data);
  assert.match(sql.err, /QUERY_REFUSED: ClickHouse cannot answer the query: Unknown table/);
  const second = await models("register", lightgbm, ...name, "--order", order, "--why", "trees");
  assert.deepEqual([second.version, second.champion], ["r2", false]);
  // What is read again below was scored by both.
  const scorers = [first, second].map((each) => (each.checked as { scorer: string }).scorer);
  assert.deepEqual(scorers, ["onnxruntime", "native"]);
  const promoted = await models("promote", scoring?.model.name ?? "", "r2", "--why", "better");
  assert.deepEqual([promoted.version, promoted.from], ["r2", "r1"]);
  t.diagnostic(await told("LightGBM", promoted));
  const back = await models("rollback", scoring?.model.name ?? "", "--why", "worse");
  assert.deepEqual([back.version, back.from, back.why], ["r1", "r2", "worse"]);
  t.diagnostic(await told("the one before", back));

  const { out } = await askMillrace("models", "history", ...name.slice(1), "--data", data);
  for (const each of [/register +r1/, /promote +r2 +r1/, /rollback +r1 +r2 .*worse/]) {
    assert.match(out, each);
  }
  assert.match(await refused("promote", ...name.slice(1), "r9"), /MODEL_VERSION_UNKNOWN.*r1, r2/s);
  const file = join(folder, "again.onnx");
  await models("download", ...name.slice(1), "r2", "--out", file);
  assert.ok(
    readFileSync(file).subarray(0, 4_000).equals(readFileSync(lightgbm).subarray(0, 4_000)),
  );
});

test("the stream is scored by a model soon after MLflow's client has set the alias", {
  skip: requirement("python-clients"),
}, async (t) => {
  const url = await gateway();
  const model = scoring?.model.name ?? "";
  const file = join(fixtures, "sklearn-zipmap.onnx");
  const { code, out, err } = await mlflowScript(url, "registry.py", file, model, order);
  assert.equal(code, 0, err);
  const { version, promotedAt } = JSON.parse(out.trim().split("\n").at(-1) ?? "");
  const change = { version: `r${version}`, effectiveFrom: promotedAt as number };
  t.diagnostic(await told("the version of MLflow, from when its alias is set", change));
  const { answeredMs } = await answeredAfter(change);
  // On a machine that is busy all rows may miss the step's 20 ms for seconds.
  assert.ok(answeredMs < 30_000, `${answeredMs} ms`);
});

test("an alias of MLflow's is set beside the champion, and the run ends when it is interrupted", async () => {
  const alias = { name: scoring?.model.name, alias: "candidate", version: "2" };
  const body = JSON.stringify(alias);
  const set = await fetch(`${await gateway()}/api/2.0/mlflow/registered-models/alias`, {
    ...{ method: "POST", headers: { "content-type": "application/json" }, body },
  });
  assert.equal(set.status, 200, await set.text());
  await inspector.close();
  run.child.kill("SIGINT");
  const { code, err } = await run.ended;
  assert.equal(code, 130, err);
});

/** A SELECT over the scores of the run and those of a table, side by side, as one line of JSON. */
async function compared(into: string, version: string) {
  return await withStack(data, async ({ offline }) => {
    const [found] = await offline.of("flights").query<Record<string, number>>(
      `SELECT toFloat64(count()) AS rows, toFloat64(uniqExact(r.flight_id, r.known_at)) AS flights,
        toFloat64(countIf(reinterpretAsUInt64(assumeNotNull(r.probability)) !=
          reinterpretAsUInt64(p.probability))) AS other,
        toFloat64(any((SELECT count() FROM predictions WHERE version = '${version}'))) AS wanted
      FROM ${into} AS r INNER JOIN predictions AS p USING (flight_id, known_at)`,
    );
    return found;
  });
}

test("rows of a query are scored to the bytes of the stream, once each, also after kills", async () => {
  const model = scoring?.model.name ?? "";
  for (const version of ["r1", "r2"]) {
    const into = `rescored_${version}`;
    const query = `SELECT * FROM predictions WHERE version = '${version}' -- newest`;
    const args = [
      ...["score", "--model", `${model}#${version}`, "--into", into, "--page-rows", "400"],
      ...["--query", query, "--data", data],
    ];
    if (version === "r2") {
      const cut = startMillrace(...args, "--json");
      await until("a page", async () => (/[1-9]\d* of \d+ rows/.test(cut.err()) ? true : null));
      cut.child.kill("SIGKILL");
      await cut.ended;
    }
    const { code, out, err } = await askMillrace(...args, "--json");
    assert.equal(code, 0, err);
    const told = JSON.parse(out) as { rows: number; stored: number; failed: number };
    assert.deepEqual([told.stored > 0, told.failed], [version === "r2", 0], out);
    const { rows, flights, other, wanted } = (await compared(into, version)) ?? {};
    assert.deepEqual([rows, flights, other], [told.rows, told.rows, 0]);
    assert.equal(wanted, told.rows);
  }
  const wrong = ["--model", model, "--data", data];
  const said = await askMillrace(
    ...["score", ...wrong, "--query", "SELECT 1 AS hour", "--into", "hours"],
  );
  assert.match(said.err, /SCORE_REFUSED.*has no column/s);
  const taken = ["--query", "SELECT * FROM predictions", "--into", "outcomes"];
  const refusedTable = await askMillrace("score", ...wrong, ...taken);
  assert.match(refusedTable.err, /SCORE_REFUSED.*outcomes is there, and is none of scores/s);
  const writes = ["--query", "DROP TABLE predictions", "--into", "scores"];
  assert.notEqual((await askMillrace("score", ...wrong, ...writes)).code, 0);
});

test("a Parquet file is scored into another to the bytes of the stream, in its order, also after a kill", async () => {
  const [input, output] = ["rows", "scored"].map((name) => join(folder, `${name}.parquet`));
  const model = scoring?.model.name ?? "";
  const select = (sql: string) =>
    withStack(data, ({ offline }) => offline.of("flights").queryText(sql, "TSV"));
  await select(
    `INSERT INTO FUNCTION file('${input}', 'Parquet') SELECT *, map('a', toUInt8(1)) AS more
    FROM predictions WHERE version = 'r2' ORDER BY cityHash64(flight_id)`,
  );
  const args = ["score", "--model", `${model}@candidate`, "--data", data, "--page-rows", "10"];
  const files = ["--input", input ?? "", "--output", output ?? ""];
  const cut = startMillrace(...args, ...files);
  await until("a page", async () => (/[1-9]\d* of \d+ rows/.test(cut.err()) ? true : null));
  cut.child.kill("SIGKILL");
  await cut.ended;
  const { code, out, err } = await askMillrace(...args, ...files, "--json");
  assert.equal(code, 0, err);
  const told = JSON.parse(out) as { rows: number; stored: number; failed: number };
  assert.deepEqual([told.stored > 0, told.failed], [true, 0], out);
  assert.doesNotMatch(err, /1[0-9][1-9] %/);
  const row = "i.* EXCEPT (probability, version)";
  const [same, more] = [row, row.replace("i.", "o.")].map((each) => `toString(tuple(${each}))`);
  const held = await select(
    `SELECT count(), countIf(${same} != ${more}),
      countIf(reinterpretAsUInt64(assumeNotNull(i.probability)) !=
        reinterpretAsUInt64(assumeNotNull(o.probability))), any(o.version)
    FROM (SELECT rowNumberInAllBlocks() AS n, * FROM file('${input}', 'Parquet')) AS i
    FULL JOIN (SELECT rowNumberInAllBlocks() AS n, * FROM file('${output}', 'Parquet')) AS o
    USING n SETTINGS max_threads = 1`,
  );
  assert.equal(held.trim(), [told.rows, 0, 0, "r2"].join("\t"));
  const again = await askMillrace(...args, ...files);
  assert.match(again.err, /SCORE_REFUSED.*scored\.parquet is there already/s);
  const lacking = await askMillrace(...args, "--input", "no.parquet", "--output", "no");
  assert.match(lacking.err, /SCORE_REFUSED.*there is no file .*no\.parquet/s);
  const pattern = await askMillrace(...args, "--input", join(folder, "{rows}"), "--output", "no");
  assert.match(pattern.err, /SCORE_REFUSED.*\{rows\} is a pattern to ClickHouse/s);
  for (const refused of ["no", output]) await assert.rejects(access(`${refused}.partial`));
  const nobody = await askMillrace(
    "score",
    "--model",
    `${model}@nobody`,
    ...args.slice(3),
    ...files,
  );
  assert.match(nobody.err, /LOOK_UNKNOWN.*alias of late_arrival.*nobody/s);
});

test("read again with its decisions it is equal, changes of its models included", async () => {
  await withStack(data, async (stack) => {
    const { topics } = await rereadRun({ plan, stack, ended: false, directory: data, live: true });
    const differences = topics.flatMap((topic) => topic.differences);
    assert.deepEqual(differences, []);
    const compared = new Map(topics.map(({ topic, records }) => [topic, records]));
    assert.ok((compared.get("flights.predictions") ?? 0) > 100);
  });
});
