/** The Python client of MLflow, as it is, against gateways. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type PredictWorld, predictWorld } from "../../runtime/predict/predict-fixture.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { ask } from "../gateway-fixture.ts";
import { mlflowScript, type TrackedGateway, trackedGateway } from "./mlflow-fixture.ts";

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
