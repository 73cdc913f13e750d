/** MLflow's calls over HTTP, without its client: who may make them, and trainings as runs. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type PredictWorld, predictWorld } from "../../runtime/predict/predict-fixture.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { writeTrainings } from "../../runtime/tracking/trainings-fixture.ts";
import type { Model } from "../../schemas/generated.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { Door } from "../door.ts";
import { ask, openTestGateway, posting } from "../gateway-fixture.ts";
import { type ApiKey, hashOf, newKey, type Scope } from "../keys/api-key.ts";
import type { Gateway } from "../open-gateway.ts";
import { mlflowDoors } from "./mlflow-doors.ts";

function keyWith(scope: Scope) {
  const { id, key } = newKey();
  const own: ApiKey = {
    ...{ id, name: scope, sha256: hashOf(key), scopes: [scope], rate: null, burst: 1 },
    ...{ created: "2026-01-01T00:00:00Z", revoked: null },
  };
  return { key, own };
}

const keys = {
  read: keyWith("read"),
  registry: keyWith("registry"),
  predict: keyWith("predict"),
  ingest: keyWith("ingest"),
};
const byId = new Map(Object.values(keys).map(({ own }) => [own.id, own]));

let world: PredictWorld;
let doors: readonly Door[];
const gateways: Gateway[] = [];
const trackings: Tracking[] = [];
before(async () => {
  world = await predictWorld(plan, "late_arrival");
  for (const machine of ["one", "other"]) {
    const stack = { ...world, artifacts: world.artifacts(machine) };
    const offline = {} as OfflineStore;
    const tracking = new Tracking([plan], stack);
    const models = new RegisteredModels(tracking, [plan], { ...stack, offline }, Date.now);
    doors = mlflowDoors(tracking, models);
    gateways.push(await openTestGateway(doors, { keys: () => ({ byId, isLocked: true }) }));
    trackings.push(tracking);
  }
});
after(async () => {
  for (const each of gateways) await each.close();
  for (const each of trackings) await each.close();
  await world.close();
});

const api = "/api/2.0/mlflow";
const bearer = (scope: keyof typeof keys) => ({ authorization: `Bearer ${keys[scope].key}` });

async function asking(scope: keyof typeof keys | null, { method, path }: Door) {
  const headers = scope === null ? {} : bearer(scope);
  const url = `${gateways[0]?.url}${path.replace("*", "x").replace(/:\w+/g, "x")}`;
  const answer = await fetch(url, { method, headers });
  return { status: answer.status, told: JSON.parse(await answer.text()) };
}

test("no call is made without a key, none changes anything with one to read, and one for the registry will do", async () => {
  assert.ok(doors.length > 50);
  for (const door of doors) {
    const what = `${door.method} ${door.path}`;
    const changes = door.method !== "GET" && !/\/(search|get-latest-versions)$/.test(door.path);
    const nobody = await asking(null, door);
    assert.deepEqual([nobody.status, nobody.told.error_code], [401, "UNAUTHENTICATED"], what);
    assert.match(nobody.told.message, /no API key/);
    for (const scope of ["read", "predict", "ingest"] as const) {
      const { status, told } = await asking(scope, door);
      const isRefused = status === 403 && told.error_code === "PERMISSION_DENIED";
      assert.equal(isRefused, scope !== "read" || changes, `${what} with ${scope}: ${status}`);
    }
    assert.ok(![401, 403].includes((await asking("registry", door)).status), what);
  }
});

const trained: Model = {
  ...{ topology: plan.name, model: "late_arrival", requestId: "retraining-1", version: "v1" },
  ...{ promoted: true, reason: "there is no champion yet", effectiveFrom: 1_000_100_000 },
  ...{ cutoff: 1_000_000_000, trainedOn: 800, heldOut: 200, holdoutAuc: 0.71 },
  ...{ championVersion: null, championAuc: null, gainLowerBound: null, sha256: "" },
  reference: JSON.stringify([{ feature: "hour", edges: [], counts: [0, 0], poor: false }]),
};

interface RunTold {
  readonly info: Record<string, unknown>;
  readonly data: Record<
    "params" | "metrics" | "tags",
    { readonly key: string; readonly value: unknown }[]
  >;
  readonly inputs: { readonly dataset_inputs: { readonly dataset: Record<string, string> }[] };
}

const searched = async (gateway: Gateway, filter = "") => {
  const read = bearer("read");
  const found = await ask(
    `${gateway.url}${api}/experiments/get-by-name?experiment_name=${plan.name}: trainings of late_arrival`,
    { headers: read },
  );
  const experiment = (found.body["experiment"] as { experiment_id: string }).experiment_id;
  const asked = { experiment_ids: [experiment], filter, order_by: ["start_time"] };
  const { body } = await ask(`${gateway.url}${api}/runs/search`, posting(asked, read));
  return body["runs"] as readonly RunTold[];
};
const valuesOf = (pairs: RunTold["data"]["tags"]) =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));

test("trainings are runs, once each, at whichever of two gateways that look at once", async () => {
  const sha256 = await world.artifacts("trainer").of(plan.name).put(Buffer.from("a model"));
  const first = { ...trained, sha256 };
  const second = {
    ...{ ...trained, requestId: "retraining-2", version: "v2", cutoff: 1_500_000_000 },
    ...{ effectiveFrom: 1_500_100_000, promoted: false, championVersion: "v1", championAuc: 0.8 },
    ...{
      reason: "not better than v1",
      sha256: await world.artifacts("trainer").of(plan.name).put(Buffer.from("another")),
    },
  };
  const third = {
    ...{ ...trained, requestId: "retraining-3", version: "v3", cutoff: 1_600_000_000 },
    ...{ promoted: false, reason: "training failed: no rows", holdoutAuc: null, reference: "[]" },
  };
  await writeTrainings(world, plan, [first, second, third]);
  const [one, other] = await Promise.all(gateways.map((gateway) => searched(gateway)));
  assert.deepEqual(one, other);
  const told = one?.map(({ info }) => [info["run_name"], info["status"]]);
  assert.deepEqual(told, [
    ["late_arrival v1", "FINISHED"],
    ["late_arrival v2", "FINISHED"],
    ["late_arrival v3", "FAILED"],
  ]);
  const [v1, v2, v3] = one ?? [];
  assert.deepEqual(valuesOf(v2?.data.metrics ?? []), {
    ...{ trained_on_rows: 800, held_out_rows: 200, holdout_auc: 0.71, champion_auc: 0.8 },
  });
  const params = valuesOf(v1?.data.params ?? []);
  assert.deepEqual(
    [params["algorithm"], params["seed"], params["features"]],
    ["logistic-regression", "1", "hour"],
  );
  const tags = valuesOf(v2?.data.tags ?? []);
  assert.deepEqual(
    ["promoted", "why", "sha256", "parent", "parent.run", "plan"].map(
      (key) => tags[`millrace.${key}`],
    ),
    ["false", "not better than v1", second.sha256, "v1", v1?.info["run_id"], plan.fingerprint],
  );
  assert.equal(tags["millrace.data.before"], new Date(second.cutoff).toISOString());
  assert.match(v2?.inputs.dataset_inputs[0]?.dataset["source"] ?? "", /"outcomes":"outcomes"/);
  assert.match(JSON.stringify(v3?.data.tags), /training failed: no rows/);
  const gateway = gateways[1] as Gateway;
  assert.equal((await searched(gateway, "datasets.source LIKE '%'")).length, one?.length);
  for (const name of ["constructor", "__proto__"]) {
    assert.deepEqual(await searched(gateway, `datasets.${name} LIKE '%'`), [], name);
  }
  const better = await searched(
    gateway,
    "metrics.holdout_auc > 0.7 and tags.`millrace.promoted` = 'true'",
  );
  assert.deepEqual(
    better.map(({ info }) => info["run_id"]),
    [v1?.info["run_id"]],
  );
});

test("the version of a training leads to its run, and the log has each of both once", async () => {
  const versions = await Promise.all(
    gateways.map(async ({ url }) => {
      const { body } = await ask(`${url}${api}/model-versions/search`, { headers: bearer("read") });
      return body["model_versions"] as readonly Record<string, string>[];
    }),
  );
  assert.deepEqual(versions[0], versions[1]);
  const runs = await searched(gateways[0] as Gateway);
  const ids = new Map(runs.map(({ info }) => [info["run_id"], info["run_name"]]));
  assert.deepEqual(versions[0]?.map((each) => [each["version"], ids.get(each["run_id"])]).sort(), [
    ["1", "late_arrival v1"],
    ["2", "late_arrival v2"],
  ]);
});

test("a tag that somebody gives a training stays when gateways look again, and so does its end", async () => {
  const [first] = await searched(gateways[0] as Gateway);
  const run_id = first?.info["run_id"];
  const change = async (path: string, body: object) => {
    const url = `${gateways[0]?.url}${api}/runs/${path}`;
    assert.equal((await ask(url, posting({ run_id, ...body }, bearer("registry")))).status, 200);
  };
  await change("set-tag", { key: "looked at", value: "yes" });
  const [again] = await searched(gateways[1] as Gateway);
  assert.equal(valuesOf(again?.data.tags ?? [])["looked at"], "yes");
  await change("delete", {});
  assert.equal((await searched(gateways[1] as Gateway)).length, 2);
});

test("a tag that would say how a version is read, and is misspelt or says none, is refused", async () => {
  const url = `${gateways[0]?.url}${api}/model-versions/create`;
  for (const [key, value, told] of [
    ["millrace.ordr", "a,b", /no tag "millrace\.ordr" \(did you mean millrace\.order\?\)/],
    ["millrace.scorer", "fast", /millrace\.scorer is "fast", not one of auto, native, onnxruntime/],
  ] as const) {
    const asked = { name: "late_arrival", source: "s3://elsewhere", tags: [{ key, value }] };
    const { status, body } = await ask(url, posting(asked, bearer("registry")));
    assert.deepEqual([status, body["error_code"]], [400, "INVALID_PARAMETER_VALUE"]);
    assert.match(String(body["message"]), told);
  }
});

test("a note of a model beside a tag that is no list of them is refused, and nothing fails", async () => {
  const at = `${gateways[0]?.url}${api}/runs`;
  const of = (body: object) => posting(body, bearer("registry"));
  const { body } = await ask(`${at}/create`, of({ experiment_id: "0" }));
  const { run_id } = (body["run"] as { info: { run_id: string } }).info;
  for (const value of ["no JSON", "{}", "null"]) {
    const key = "mlflow.log-model.history";
    assert.equal((await ask(`${at}/set-tag`, of({ run_id, key, value }))).status, 200);
    const noted = await ask(`${at}/log-model`, of({ run_id, model_json: "{}" }));
    assert.deepEqual([noted.status, noted.body["error_code"]], [400, "INVALID_PARAMETER_VALUE"]);
    assert.match(String(noted.body["message"]), /mlflow\.log-model\.history is no list/);
  }
});
