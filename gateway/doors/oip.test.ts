import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Registry } from "prom-client";
import {
  drawnBy,
  type PredictWorld,
  plan,
  predictWorld,
  step,
} from "../../runtime/predict/predict-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { Tracking } from "../../runtime/tracking/tracking.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { ask, countedStores, openTestGateway, posting, usualLimits } from "../gateway-fixture.ts";
import type { Gateway } from "../open-gateway.ts";
import { pythonScript } from "../python-script-fixture.ts";
import { Served } from "../served.ts";
import { allDoors } from "./all-doors.ts";

const width = step.features.length;
const model = step.model.name;
const bodyBytes = 262_144;
let world: PredictWorld;
let predictions: Predictions;
let gateway: Gateway;
let version: string;
let first: string;

before(async () => {
  world = await predictWorld();
  const stores = countedStores();
  const stack = { ...world, online: stores.online, artifacts: world.artifacts("oip") };
  predictions = new Predictions([plan], stack);
  const served = new Served([plan], stores, Date.now);
  const tracking = new Tracking([plan], stack);
  const { offline } = stores;
  const models = new RegisteredModels(tracking, [plan], { ...stack, offline }, Date.now);
  const behind = { served, ingest: null, predictions, tracking, models, waitingFor: () => [] };
  gateway = await openTestGateway(allDoors({ ...behind, registry: new Registry() }), {
    limits: { ...usualLimits, bodyBytes },
  });
  first = await world.promote("one");
  version = await world.promote("two");
});
after(async () => {
  await gateway.close();
  await predictions.close();
  await world.close();
});

const random = drawnBy("oip");
const rows = Float64Array.from({ length: 3 * width }, () => random(1_000) / 10);

function whole(data: unknown, count = 3) {
  return { name: "features", datatype: "FP64", shape: [count, width], data };
}

async function infer(
  body: unknown,
  headers: Record<string, string> = {},
  of = `/v2/models/${model}`,
) {
  return await ask(`${gateway.url}${of}/infer`, posting(body, headers));
}

interface Output {
  readonly name: string;
  readonly shape: number[];
  readonly data: number[];
}

function probabilities(body: Record<string, unknown>): number[] {
  return (body["outputs"] as Output[])[0]?.data ?? [];
}

test("server, models and versions are told as the protocol has them", async () => {
  const get = async (path: string) => await ask(`${gateway.url}${path}`);
  assert.equal((await get("/v2")).body["name"], "millrace");
  assert.deepEqual((await get("/v2/health/live")).body, { live: true });
  assert.deepEqual((await get("/v2/health/ready")).body, { ready: true });
  const { body } = await get(`/v2/models/${model}`);
  assert.deepEqual(body["versions"], [first, version]);
  assert.deepEqual(body["inputs"], [{ name: "features", datatype: "FP64", shape: [-1, width] }]);
  const names = (body["parameters"] as Record<string, string>)["features"]?.split(",");
  assert.deepEqual(names, step.features);
  assert.equal((await get(`/v2/models/${model}/versions/${first}/ready`)).body["ready"], true);
  const index = await (
    await fetch(`${gateway.url}/v2/repository/index`, { method: "POST" })
  ).json();
  assert.deepEqual(
    (index as { version: string; state: string }[]).map((each) => [each.version, each.state]),
    [
      [first, "AVAILABLE"],
      [version, "READY"],
    ],
  );
  const unknown = await get("/v2/models/frau/ready");
  assert.equal(unknown.status, 404);
  assert.match(String(unknown.body["error"]), /unknown model: 'frau' is not found \(did you mean/);
  assert.equal((await get(`/v2/models/${model}/versions/r9`)).status, 404);
});

test("JSON, nested or flat, bytes and inputs of their own all ask the same, and get the same", async () => {
  const flat = [...rows];
  const nested = [0, 1, 2].map((row) => flat.slice(row * width, (row + 1) * width));
  const plain = await infer({ id: "a", inputs: [whole(flat)] });
  assert.equal(plain.status, 200, JSON.stringify(plain.body));
  const { id, model_name, model_version } = plain.body as Record<string, string>;
  assert.deepEqual([id, model_name, model_version], ["a", model, version]);
  const expected = probabilities(plain.body);
  assert.equal(expected.length, 3);
  assert.deepEqual(probabilities((await infer({ inputs: [whole(nested)] })).body), expected);
  const columns = step.features.map((name, at) => {
    return { name, datatype: "FP64", shape: [3, 1], data: nested.map((row) => [row[at]]) };
  });
  assert.deepEqual(probabilities((await infer({ inputs: columns })).body), expected);
  const packed = gzipSync(JSON.stringify({ inputs: [whole(flat)] }));
  const zipped = await ask(`${gateway.url}/v2/models/${model}/infer`, {
    ...{ method: "POST", body: packed, headers: { "content-encoding": "gzip" } },
  });
  assert.deepEqual(probabilities(zipped.body), expected);
  const older = await infer({ inputs: [whole(flat)] }, {}, `/v2/models/${model}/versions/${first}`);
  assert.notDeepEqual(probabilities(older.body), expected);
  assert.equal(older.body["model_version"], first);
});

test("tensors in bytes are read and answered, and a body of nothing else is one vector", async () => {
  const bytes = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength);
  const { data: _, ...tensor } = whole([]);
  const input = { ...tensor, parameters: { binary_data_size: bytes.length } };
  const json = Buffer.from(
    JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }),
  );
  const send = async (body: Buffer, length: number) => {
    const answer = await fetch(`${gateway.url}/v2/models/${model}/infer`, {
      ...{ method: "POST", body },
      headers: { "inference-header-content-length": String(length) },
    });
    const taken = Buffer.from(await answer.arrayBuffer());
    const end = Number(answer.headers.get("inference-header-content-length"));
    assert.equal(answer.status, 200, taken.toString());
    assert.equal(JSON.parse(taken.toString("utf8", 0, end)).outputs[0].shape[1], 1);
    return Array.from({ length: (taken.length - end) / 8 }, (_, i) =>
      taken.readDoubleLE(end + i * 8),
    );
  };
  const expected = probabilities((await infer({ inputs: [whole([...rows])] })).body);
  assert.deepEqual(await send(Buffer.concat([json, bytes]), json.length), expected);
  assert.deepEqual(await send(bytes.subarray(0, width * 8), 0), expected.slice(0, 1));
});

test("a path that is none of the protocol's is refused as its clients read errors", async () => {
  const { status, body } = await ask(`${gateway.url}/v2/models/${model}/config`);
  assert.deepEqual([status, body["code"]], [404, "ROUTE_UNKNOWN"]);
  assert.match(String(body["error"]), /config/);
});

test("whatever is sent is answered, refused with a message, and nothing fails", async () => {
  const words = [
    ...["{", "}", "[", "]", ":", ",", "null", "1e999", "-0", "\u0000", '"inputs"', '"shape"'],
    ...['"features"', '"data"', "[[[[", "99999999999", '"__proto__"', '"FP64"', "\ud800"],
  ];
  const paths = [
    ...[`/v2/models/${model}/infer`, `/v2/models/${model}/versions/${first}/infer`],
    ...["/v2/models/%00/infer", "/v2/models/a%2Fb/infer", "/v2/repository/index"],
    ...["/v1/predict/scores", "/v1/predict/%F0%9F%98%80", `/v2/repository/models/${model}/load`],
  ];
  const numbers = [0, 1, -1, 2 ** 31, 2 ** 53, 1.5, width, "x", null, [], {}];
  const any = () => numbers[random(numbers.length)];
  const bodies: (() => string | Buffer)[] = [
    () => Array.from({ length: random(40) }, () => words[random(words.length)]).join(""),
    () => Buffer.from(Array.from({ length: random(300) }, () => random(256))),
    () => JSON.stringify({ inputs: [{ ...whole([...rows]), shape: [any(), any()] }] }),
    () => JSON.stringify({ inputs: [{ ...whole([any(), [any()]]), datatype: any() }] }),
    () => JSON.stringify({ inputs: any(), outputs: any(), parameters: any(), id: any() }),
    () => JSON.stringify({ inputs: [whole([...rows])], outputs: [{ name: any() }] }),
    () => {
      const size = { binary_data_size: any() };
      return JSON.stringify({ inputs: [{ ...whole(undefined), parameters: size }] });
    },
    () => JSON.stringify({ record: { card: any(), shop: any(), amount: any(), country: any() } }),
    () => JSON.stringify({ records: [any(), {}], deadlineMs: any(), late: any(), features: any() }),
    () => `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
    () => "x".repeat(bodyBytes + 1),
  ];
  const tally = new Map<number, number>();
  for (let request = 0; request < 1_500; request++) {
    let body = bodies[random(bodies.length)]?.() ?? "";
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (random(3) === 0) {
      headers["inference-header-content-length"] = String(
        ["0", "5", "-1", "1e3", "99999999999", "x"][random(6)],
      );
    }
    const packing = random(6);
    if (packing === 0) {
      body = gzipSync(body);
      headers["content-encoding"] = "gzip";
    } else if (packing === 1)
      headers["content-encoding"] = ["gzip", "deflate", "br"][random(3)] ?? "";
    const path = paths[random(paths.length)] ?? "";
    const answer = await fetch(gateway.url + path, { method: "POST", headers, body });
    const text = await answer.text();
    tally.set(answer.status, (tally.get(answer.status) ?? 0) + 1);
    assert.ok(answer.status < 500, `${path} ${answer.status} ${text} of ${body.slice(0, 300)}`);
    if (answer.status < 400) continue;
    const told = JSON.parse(text) as Record<string, string>;
    assert.ok((told["error"] ?? told["message"] ?? "").length > 10, text);
  }
  assert.ok((tally.get(400) ?? 0) > 100 && tally.has(413), JSON.stringify([...tally]));
});

test("what unpacks to more than a body may be is refused, however small it is", async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  assert.ok(bomb.length < bodyBytes);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 20; i++) {
    const answer = await ask(`${gateway.url}/v2/models/${model}/infer`, {
      ...{ method: "POST", body: bomb, headers: { "content-encoding": "gzip" } },
    });
    assert.deepEqual([answer.status, answer.body["code"]], [413, "REQUEST_TOO_LARGE"]);
  }
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024);
});

test("Triton's own client asks it unmodified", {
  skip: requirement("python-clients"),
}, async () => {
  const args = ["--host", gateway.url.replace("http://", ""), "--model", model];
  const { code, out, err } = await pythonScript(["open-inference", "infer.py"], args);
  assert.equal(code, 0, err + out);
  const lines = out.trim().split("\n");
  const told = JSON.parse(lines.at(-1) ?? "");
  assert.deepEqual([told.version, told.ready.length, told.ready[0].version], [version, 1, version]);
  assert.match(
    lines.slice(0, -1).join("\n"),
    /unknown model: 'nobody'.*no version r99.*send \[rows/s,
  );
});
