import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type ServiceError, status } from "@grpc/grpc-js";
import {
  drawnBy,
  type PredictWorld,
  plan,
  predictWorld,
  step,
} from "../../runtime/predict/predict-fixture.ts";
import { Predictions } from "../../runtime/predict/predictions.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { makeCertificate } from "../../testing/secure-front-fixture.ts";
import { oipDoors } from "../doors/oip.ts";
import { ask, openTestGateway, posting, usualLimits } from "../gateway-fixture.ts";
import {
  client,
  closeClients,
  inference,
  type Message,
  refusal,
  type Told,
} from "../grpc/grpc-client-fixture.ts";
import { hashOf, newKey } from "../keys/api-key.ts";
import type { KnownKeys } from "../keys/key-file.ts";
import type { Gateway, GatewayOptions } from "../open-gateway.ts";
import { pythonScript, toldBy } from "../python-script-fixture.ts";
import { inferenceService } from "./inference-service.ts";

const width = step.features.length;
const model = step.model.name;
const bodyBytes = 262_144;
let world: PredictWorld;
let predictions: Predictions;
let gateway: Gateway;
let version: string;
let first: string;
let waitingFor: string[] = [];

function open(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  const service = inferenceService(predictions, "1.2.3", () => waitingFor);
  return openTestGateway(
    oipDoors(predictions, "1.2.3", () => waitingFor),
    {
      limits: { ...usualLimits, bodyBytes },
      grpc: { address: { host: "127.0.0.1", port: 0 }, service },
      ...options,
    },
  );
}

before(async () => {
  world = await predictWorld();
  predictions = new Predictions([plan], {
    ...world,
    online: never,
    artifacts: world.artifacts("grpc"),
  });
  gateway = await open();
  first = await world.promote("one");
  version = await world.promote("two");
});
after(async () => {
  closeClients();
  await gateway.close();
  await predictions.close();
  await world.close();
});

const never = { read: () => Promise.reject(new Error("the online store was asked")) };
const random = drawnBy("grpc");
const rows = Float64Array.from({ length: 3 * width }, () => random(1_000) / 10);

function raw(values = rows, count = 3): Message {
  const tensor = { name: "features", datatype: "FP64", shape: [count, width] };
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return { model_name: model, inputs: [tensor], raw_input_contents: [bytes] };
}

function typed(): Message {
  const contents = { fp64_contents: [...rows] };
  const tensor = { name: "features", datatype: "FP64", shape: [3, width], contents };
  return { model_name: model, inputs: [tensor] };
}

async function overHttp(): Promise<number[]> {
  const data = [...rows];
  const inputs = [{ name: "features", datatype: "FP64", shape: [3, width], data }];
  const { body } = await ask(`${gateway.url}/v2/models/${model}/infer`, posting({ inputs }));
  return (body["outputs"] as { data: number[] }[])[0]?.data ?? [];
}

function doublesOf({ message }: Told): number[] {
  const [bytes] = message["raw_output_contents"] as Buffer[];
  assert.ok(bytes !== undefined);
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(i * 8));
}

test("server, models and versions are told as over HTTP", async () => {
  const asked = client(gateway);
  const get = async (method: string, message: Message = {}) =>
    (await asked(method, message)).message;
  assert.deepEqual(await get("ServerLive"), { live: true });
  assert.deepEqual(await get("ServerReady"), { ready: true });
  const { name, version: own, extensions } = await get("ServerMetadata");
  assert.deepEqual([name, own], ["millrace", "1.2.3"]);
  const overV2 = await ask(`${gateway.url}/v2`);
  assert.deepEqual(extensions, overV2.body["extensions"]);
  assert.deepEqual(await get("ModelReady", { name: model }), { ready: true });
  const metadata = await get("ModelMetadata", { name: model, version: first });
  const { parameters: _, ...overRest } = (await ask(`${gateway.url}/v2/models/${model}`)).body;
  assert.deepEqual(metadata, overRest);
  const index = (await get("RepositoryIndex", { ready: true }))["models"];
  assert.deepEqual(index, [{ name: model, version, state: "READY", reason: "" }]);
  waitingFor = ["Kafka"];
  assert.deepEqual(await get("ServerReady"), { ready: false });
  waitingFor = [];
  await asked("ModelInfer", raw());
  const { model_stats } = await get("ModelStatistics");
  assert.deepEqual(model_stats, (await ask(`${gateway.url}/v2/models/stats`)).body["model_stats"]);
});

test("bytes and contents of every kind get the answers of HTTP, in the form in which they came", async () => {
  const asked = client(gateway);
  const expected = await overHttp();
  assert.equal(expected.length, 3);
  const { message } = await asked("ModelInfer", { ...raw(), id: "seven" });
  assert.deepEqual(
    [message["id"], message["model_name"], message["model_version"]],
    ["seven", model, version],
  );
  assert.deepEqual(doublesOf({ message, requestId: "" }), expected);
  const contents = (await asked("ModelInfer", typed())).message;
  const [output] = contents["outputs"] as { shape: number[]; contents: Message }[];
  assert.deepEqual([output?.shape, output?.contents["fp64_contents"]], [[3, 1], expected]);
  assert.deepEqual(contents["raw_output_contents"], []);
  for (const algorithm of [1, 2]) {
    const packed = client(gateway, { "grpc.default_compression_algorithm": algorithm });
    assert.deepEqual(doublesOf(await packed("ModelInfer", raw())), expected);
  }
  const older = await asked("ModelInfer", { ...raw(), model_version: first });
  assert.equal(older.message["model_version"], first);
  assert.notDeepEqual(doublesOf(older), expected);
  const digits = Float64Array.from({ length: width }, () => random(10));
  const same = doublesOf(await asked("ModelInfer", raw(digits, 1)));
  const halves = Buffer.alloc(2 * width);
  for (const [i, digit] of digits.entries()) halves.writeUInt16LE(halfBits(digit), 2 * i);
  const forms: Record<string, string | Buffer> = {
    ...{ INT8: "int_contents", INT16: "int_contents", INT32: "int_contents" },
    ...{ UINT8: "uint_contents", UINT16: "uint_contents", UINT32: "uint_contents" },
    ...{ INT64: "int64_contents", UINT64: "uint64_contents", FP32: "fp32_contents" },
    FP16: halves,
  };
  for (const [datatype, how] of Object.entries(forms)) {
    const tensor = { name: "features", datatype, shape: [1, width] };
    const body =
      typeof how === "string"
        ? { inputs: [{ ...tensor, contents: { [how]: [...digits] } }] }
        : { inputs: [tensor], raw_input_contents: [how] };
    const { message: told } = await asked("ModelInfer", { model_name: model, ...body });
    const [out] = told["outputs"] as { contents: { fp64_contents: number[] } | null }[];
    const found = out?.contents?.fp64_contents ?? doublesOf({ message: told, requestId: "" });
    assert.deepEqual(found, same, datatype);
  }
});

function halfBits(digit: number): number {
  if (digit === 0) return 0;
  const exponent = Math.floor(Math.log2(digit));
  return ((exponent + 15) << 10) | ((digit / 2 ** exponent - 1) * 1_024);
}

test("what is wrong is told with gRPC's status, our code and where it stands", async () => {
  const asked = client(gateway);
  const infer = (message: unknown) => refusal(asked("ModelInfer", message));
  const [unknown, code, text] = await infer({ ...raw(), model_name: "frau" });
  assert.deepEqual([unknown, code], ["NOT_FOUND", "MODEL_UNKNOWN"]);
  assert.match(text, /unknown model: 'frau' is not found \(did you mean fraud\?\)/);
  assert.deepEqual((await infer({ ...raw(), model_version: "r9" })).slice(0, 2), [
    "NOT_FOUND",
    "MODEL_VERSION_UNKNOWN",
  ]);
  const wrong: [Message, RegExp][] = [
    [raw(rows, 2), /inputs\[0\]: it has \d+ bytes/],
    [{ ...raw(), inputs: [] }, /inputs: there are 0/],
    [{ ...raw(), raw_input_contents: [Buffer.alloc(8), Buffer.alloc(8)] }, /there are 2, and 1/],
    [
      { ...typed(), ...{ outputs: [{ name: "label" }] } },
      /outputs\[0\]: there is no output "label"/,
    ],
    [
      { ...raw(), parameters: { timeout: { string_param: "soon" } } },
      /parameters.timeout: write µs/,
    ],
    [
      { ...raw(), parameters: { priority: { int64_param: 4 } } },
      /parameters.priority: write 1 to 3/,
    ],
    [
      { model_name: model, inputs: [{ name: "features", datatype: "BYTES", shape: [1, width] }] },
      /datatype "BYTES" is none of BOOL/,
    ],
    [
      { model_name: model, inputs: [{ name: "features", datatype: "FP16", shape: [1, width] }] },
      /FP16 has no contents: send it in raw_input_contents/,
    ],
  ];
  for (const [message, expected] of wrong) {
    const [found, own, told] = await infer(message);
    assert.deepEqual([found, own], ["INVALID_ARGUMENT", "REQUEST_INVALID"], told);
    assert.match(told, expected);
  }
  assert.equal((await infer(Buffer.from("no message")))[0], "INVALID_ARGUMENT");
  const load = await refusal(asked("RepositoryModelLoad", { model_name: model }));
  assert.match(load.join(), /INVALID_ARGUMENT.*models are not loaded: register/);
  const huge = await infer({ ...raw(), raw_input_contents: [Buffer.alloc(bodyBytes)] });
  assert.equal(huge[0], "RESOURCE_EXHAUSTED");
});

test("a request has an id, its deadline holds, and all of it is measured", async () => {
  const asked = client(gateway);
  const mine = await asked("ServerLive", {}, { metadata: { "x-request-id": "mine-1" } });
  assert.equal(mine.requestId, "mine-1");
  assert.match((await asked("ServerLive", {})).requestId, /^[0-9a-f-]{36}$/);
  assert.equal(
    (await refusal(asked("ModelInfer", raw(), { deadline: 0 })))[0],
    "DEADLINE_EXCEEDED",
  );
  const late = { ...raw(), parameters: { timeout: { int64_param: 1 } } };
  const [code, own] = await refusal(asked("ModelInfer", late));
  assert.deepEqual([code, own], ["DEADLINE_EXCEEDED", "PREDICTION_LATE"]);
  const text = await gateway.metrics.registry.metrics();
  const door = "/inference.GRPCInferenceService/ModelInfer";
  assert.match(text, new RegExp(`requests_total{door="${door}",status="DEADLINE_EXCEEDED"} [1-9]`));
  assert.match(text, new RegExp(`requests_total{door="${door}",status="OK"} [1-9]`));
  assert.match(text, /errors_total{code="PREDICTION_LATE"} [12]$/m);
  assert.match(text, /requests_under_way 0/);
});

test("keys are asked for, with their scopes and rates, before a message is read", async () => {
  const { id, key } = newKey();
  const own = { ...{ id, name: "app", sha256: hashOf(key), scopes: ["predict"] as const } };
  const limited = { ...own, rate: 0.01, burst: 2, created: "", revoked: null };
  const known: KnownKeys = { byId: new Map([[id, limited]]), isLocked: true };
  const locked = await open({ keys: () => known });
  try {
    const asked = client(locked);
    assert.deepEqual((await asked("ServerLive", {})).message, { live: true });
    assert.deepEqual((await refusal(asked("ModelInfer", raw()))).slice(0, 2), [
      "UNAUTHENTICATED",
      "KEY_MISSING",
    ]);
    const bearer = (text: string) => ({ metadata: { authorization: `Bearer ${text}` } });
    const stranger = await refusal(asked("ModelInfer", raw(), bearer(newKey().key)));
    assert.deepEqual(stranger.slice(0, 2), ["UNAUTHENTICATED", "KEY_REFUSED"]);
    assert.equal((await asked("ModelInfer", raw(), bearer(key))).message["model_version"], version);
    await asked("ServerMetadata", {}, { metadata: { "x-api-key": key } });
    const over = await refusal(asked("ServerMetadata", {}, bearer(key)));
    assert.deepEqual(over.slice(0, 2), ["RESOURCE_EXHAUSTED", "KEY_OVERUSED"]);
  } finally {
    await locked.close();
  }
  const address = { host: "0.0.0.0", port: 0 };
  const service = inferenceService(predictions, "1", () => []);
  await assert.rejects(open({ grpc: { address, service } }), { code: "GATEWAY_OPEN" });
  const port = Number(gateway.grpcAddress?.split(":")[1]);
  const taken = { address: { host: "127.0.0.1", port }, service };
  await assert.rejects(open({ grpc: taken }), { code: "PORT_IN_USE" });
});

test("more than may be under way are refused, and at the end what is under way is answered", async () => {
  let entered = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const service = inferenceService(predictions, "1", () => []);
  const slow = async () => {
    entered++;
    await released;
    return { ready: true };
  };
  const doors = { ...service.doors, ModelReady: { scope: "predict" as const, handle: slow } };
  const small = await open({
    limits: { ...usualLimits, requestsAtOnce: 2 },
    grpc: { address: { host: "127.0.0.1", port: 0 }, service: { ...service, doors } },
  });
  const [one, two, three] = [client(small), client(small), client(small)];
  const waiting = [one("ModelReady", {}), two("ModelReady", {})];
  while (entered < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual((await refusal(three("ServerLive", {}))).slice(0, 2), [
    "RESOURCE_EXHAUSTED",
    "GATEWAY_BUSY",
  ]);
  assert.equal((await ask(`${small.url}/v2/health/live`)).status, 429, "doors of HTTP count, too");
  const closed = small.close();
  const [ended] = await refusal(three("ServerLive", {}));
  assert.equal(ended, "UNAVAILABLE");
  release();
  for (const each of waiting) assert.deepEqual((await each).message, { ready: true });
  await closed;
});

test("it speaks TLS with the gateway's certificate", { skip: requirement("openssl") }, async () => {
  const { certFile, keyFile } = await makeCertificate(join(world.folder, "tls"));
  const [cert, key] = [readFileSync(certFile, "utf8"), readFileSync(keyFile, "utf8")];
  const secure = await open({ tls: { cert, key } });
  try {
    const asked = client(secure, {}, Buffer.from(cert));
    assert.deepEqual(doublesOf(await asked("ModelInfer", raw())), await overHttp());
    assert.equal((await refusal(client(secure)("ServerLive", {})))[0], "UNAVAILABLE");
  } finally {
    await secure.close();
  }
});

test("whatever is sent is answered or refused with a message, and nothing fails", async () => {
  const asked = client(gateway);
  const { ModelInfer } = inference.service;
  const whole = (
    ModelInfer as never as { requestSerialize: (m: Message) => Buffer }
  ).requestSerialize(raw());
  const numbers = [0, 1, -1, 2 ** 31, -(2 ** 53), width, 3];
  const any = () => numbers[random(numbers.length)];
  const messages: (() => unknown)[] = [
    () => Buffer.from(Array.from({ length: random(200) }, () => random(256))),
    () => whole.subarray(0, random(whole.length)),
    () => {
      const broken = Buffer.from(whole);
      for (let i = 0; i < 5; i++) broken[random(broken.length)] = random(256);
      return broken;
    },
    () => ({ ...raw(), inputs: [{ name: "features", datatype: "FP64", shape: [any(), any()] }] }),
    () => ({ ...raw(), model_name: "😀".repeat(random(200)), id: "\u0000" }),
    () => ({ ...typed(), outputs: [{ name: `${"a".repeat(99)}😀` }] }),
    () => ({
      ...raw(),
      parameters: { __proto__: { int64_param: any() }, timeout: { int64_param: any() } },
    }),
  ];
  const tally = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const message = messages[random(messages.length)]?.();
    try {
      await asked("ModelInfer", message);
    } catch (error) {
      const { code, details } = error as ServiceError;
      const name = status[code] ?? "";
      tally.set(name, (tally.get(name) ?? 0) + 1);
      const expected = ["INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED"];
      assert.ok(expected.includes(name) && details.length > 10, `${name} ${details}`);
    }
  }
  assert.ok((tally.get("INVALID_ARGUMENT") ?? 0) > 100, JSON.stringify([...tally]));
});

test("a message that unpacks to more than it may is refused, and takes no memory", async () => {
  const packed = client(gateway, { "grpc.default_compression_algorithm": 2 });
  const bomb = Buffer.alloc(64 * 1024 * 1024);
  await refusal(packed("ModelInfer", bomb));
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 5; i++) {
    assert.equal((await refusal(packed("ModelInfer", bomb)))[0], "RESOURCE_EXHAUSTED");
  }
  assert.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024);
});

test("Triton's own client asks it unmodified", {
  skip: requirement("python-clients"),
}, async () => {
  const args = ["--host", String(gateway.grpcAddress), "--model", model];
  const ended = await pythonScript(["open-inference", "infer_grpc.py"], args);
  assert.equal(ended.code, 0, ended.err + ended.out);
  const told = toldBy(ended) as { version: string; ready: readonly string[] };
  assert.deepEqual([told.version, told.ready], [version, [version]]);
});

test("KServe's own clients ask it unmodified, over REST and gRPC", {
  skip: requirement("python-clients-alone"),
}, async () => {
  const where = ["--url", gateway.url, "--address", String(gateway.grpcAddress)];
  const args = [...where, "--model", model, "--width", String(width)];
  const ended = await pythonScript(["open-inference", "infer_kserve.py"], args);
  assert.equal(ended.code, 0, ended.err + ended.out);
  assert.equal((toldBy(ended) as { version: string }).version, version);
});
