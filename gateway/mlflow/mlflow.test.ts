/** The Python client of MLflow, as it is, against gateways. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type PredictWorld, predictWorld, step } from "../../runtime/predict/predict-fixture.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { ask, posting } from "../gateway-fixture.ts";
import { type TrackedGateway, trackedGateway } from "./mlflow-fixture.ts";
import { mlflowScript } from "./mlflow-script-fixture.ts";

let world: PredictWorld;
let one: TrackedGateway;
let other: TrackedGateway;
before(async () => {
  world = await predictWorld();
  one = await trackedGateway(world, "one");
  other = await trackedGateway(world, "other");
});
after(async () => {
  await one.close();
  await other.close();
  await world.close();
});

const skip = requirement("python-clients");
const api = "/api/2.0/mlflow";

test("the client logs, searches and fetches runs, and another gateway has them too", {
  skip,
}, async () => {
  const { code, out, err } = await mlflowScript(one.gateway.url, "tracking.py");
  assert.equal(code, 0, err);
  const { run, experiment } = JSON.parse(out.trim().split("\n").at(-1) ?? "");
  const path = `${experiment}/${run}/artifacts/notes/hello.txt`;
  for (const { gateway } of [one, other]) {
    const { body } = await ask(`${gateway.url}${api}/runs/get?run_id=${run}`);
    assert.equal((body["run"] as { info: { status: string } }).info.status, "FINISHED");
    const file = await fetch(`${gateway.url}/api/2.0/mlflow-artifacts/artifacts/${path}`);
    assert.equal(await file.text(), "hello");
  }
});

const fixtures = join(packageRoot(), "examples", "models", "fixtures");
const model = step.model.name;
const order = step.features.slice(0, 5).join(",");

/** Asks until it is answered by a version; how long that took, ms. */
async function answeredBy({ gateway }: TrackedGateway, version: string): Promise<number> {
  const began = Date.now();
  const vector = { name: "features", datatype: "FP64", shape: [1, step.features.length] };
  const inputs = [{ ...vector, data: step.features.map(() => 1) }];
  for (;;) {
    const { body } = await ask(`${gateway.url}/v2/models/${model}/infer`, posting({ inputs }));
    if (body["model_version"] === version) return Date.now() - began;
    assert.ok(Date.now() - began < 60_000, JSON.stringify(body));
  }
}

test("models that are logged and registered with the client are checked, score, and are fetched", {
  skip,
}, async (t) => {
  for (const [index, name] of ["lightgbm-zipmap", "sklearn-zipmap"].entries()) {
    const file = join(fixtures, `${name}.onnx`);
    const script = await mlflowScript(one.gateway.url, "registry.py", file, model, order);
    assert.equal(script.code, 0, script.err);
    assert.match(script.err, /refused: .*takes 5 features.*the tag millrace.order/s);
    const { version, run } = JSON.parse(script.out.trim().split("\n").at(-1) ?? "");
    assert.equal(String(version), String(index + 1));
    const native = `r${version}`;
    const took = await answeredBy(one, native);
    t.diagnostic(`${name} answers ${took} ms after the script`);
    await answeredBy(other, native);
    const [change] = (await other.models.changes(model)).filter((each) => each.version === native);
    assert.match(change?.checked?.rowsFrom ?? "", /made/);
    const query = `name=${model}&alias=champion`;
    const found = await ask(`${other.gateway.url}${api}/registered-models/alias?${query}`);
    const told = found.body["model_version"] as Record<string, unknown>;
    assert.deepEqual([told["version"], told["run_id"]], [String(version), run]);
  }
  const changes = await other.models.changes(model);
  assert.deepEqual(
    changes.map(({ kind, version, from, by, why }) => [kind, version, from, by, why]),
    [
      ["register", "r1", "", "gateway", "trees, June data"],
      ["promote", "r1", "", "gateway", "trees, June data"],
      ["register", "r2", "", "gateway", "trees, June data"],
      ["promote", "r2", "r1", "gateway", "trees, June data"],
    ],
  );
});

test("the history of a model says who changed what, when, from, to and why", { skip }, async () => {
  const { status, body } = await ask(`${one.gateway.url}/v1/models/${model}/history`);
  assert.equal(status, 200);
  const told = (body["changes"] as Record<string, string>[]).map(({ what, from, to, by, why }) =>
    [what, from, to, by, why].join("|"),
  );
  const why = "trees, June data";
  assert.ok(told.includes(`version||1 (r1)|gateway|${why}`), told.join("; "));
  assert.deepEqual(
    told.filter((each) => each.startsWith("alias")),
    [`alias champion||r1|gateway|${why}`, `alias champion|r1|r2|gateway|${why}`],
  );
  const { status: none } = await ask(`${one.gateway.url}/v1/models/nobody/history`);
  assert.equal(none, 404);
});

test("what was registered another way is a version too, fetched as a model of MLflow", async () => {
  const made = await world.promote("by the desk");
  const get = (path: string) => ask(`${one.gateway.url}${api}/${path}`);
  const alias = await get(`registered-models/alias?name=${model}&alias=champion`);
  const found = alias.body["model_version"] as Record<string, string>;
  const { version, source } = found;
  assert.equal(source, `mlflow-artifacts:/models/${model}/${version}`);
  const root = `/api/2.0/mlflow-artifacts/artifacts/models/${model}/${version}`;
  const bytes = Buffer.from(
    await (await fetch(`${other.gateway.url}${root}/model.onnx`)).arrayBuffer(),
  );
  const change = (await one.models.changes(model)).find((each) => each.version === made);
  assert.equal(Number(found["creation_timestamp"]), change?.at, "when it was registered");
  assert.equal(createHash("sha256").update(bytes).digest("hex"), change?.sha256);
  assert.match(
    await (await fetch(`${other.gateway.url}${root}/MLmodel`)).text(),
    /data: model\.onnx/,
  );
});

test("the other calls of the registry do as MLflow does, and leave the stream its champion", {
  skip,
}, async () => {
  const { code, err } = await mlflowScript(other.gateway.url, "calls.py", model);
  assert.equal(code, 0, err);
});
