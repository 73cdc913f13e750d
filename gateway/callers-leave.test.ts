/** Who leaves before there is an answer: nothing is scored for nobody, over HTTP and gRPC. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type ClientUnaryCall, credentials } from "@grpc/grpc-js";
import { type PredictWorld, plan, predictWorld, step } from "../runtime/predict/predict-fixture.ts";
import { Predictions } from "../runtime/predict/predictions.ts";
import { createMemoryOnlineStore } from "../sinks/memory/memory.ts";
import { oipDoors } from "./doors/oip.ts";
import { predictDoor } from "./doors/predict.ts";
import { openTestGateway, usualLimits } from "./gateway-fixture.ts";
import { inference } from "./grpc/grpc-client-fixture.ts";
import { inferenceService } from "./oip/inference-service.ts";
import type { Gateway } from "./open-gateway.ts";

let world: PredictWorld;
let predictions: Predictions;
let gateway: Gateway;
let abandoned = 0;

before(async () => {
  world = await predictWorld();
  await world.promote("one");
  predictions = new Predictions(
    [plan],
    {
      ...world,
      online: createMemoryOnlineStore(),
      artifacts: world.artifacts("leave"),
    },
    {
      // What comes waits for company that does not come.
      delayMs: 600_000,
      abandoned: (rows) => {
        abandoned += rows;
      },
    },
  );
  await predictions.warm();
  gateway = await openTestGateway(
    [predictDoor(predictions), ...oipDoors(predictions, "1", () => [])],
    {
      limits: { ...usualLimits, requestMs: 600_000 },
      grpc: {
        address: { host: "127.0.0.1", port: 0 },
        service: inferenceService(predictions, "1", () => []),
      },
    },
  );
});
after(async () => {
  await predictions.close();
  await gateway.close();
  await world.close();
});

const width = step.features.length;
const record = { paymentId: "p1", card: "c1", shop: "s", country: "fr", amount: 60 };

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const began = performance.now();
  while (!(await isSo())) {
    assert.ok(performance.now() - began < 30_000, `waited too long for ${what}`);
    await nextTurn();
  }
}

/** Asks, and leaves once the rows wait. */
async function leaves(rows: number, asks: () => () => void): Promise<void> {
  const before = abandoned;
  const leave = asks();
  await until("its rows", () => predictions.waitingRows("normal") === rows);
  assert.equal(predictions.waitingBytes, rows * width * 8);
  leave();
  await until("its room", () => predictions.waitingRows("normal") === 0);
  assert.deepEqual([predictions.waitingBytes, abandoned - before], [0, rows]);
  const underWay = async () => (await gateway.metrics.registry.metrics()).split("\n");
  await until("its place", async () =>
    (await underWay()).includes("millrace_gateway_requests_under_way 0"),
  );
}

function posts(path: string, body: object): () => void {
  const asked = request(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
  });
  asked.on("error", () => {});
  asked.end(JSON.stringify(body));
  return () => asked.destroy();
}

test("rows of a prediction whose connection is closed leave the queue", async () => {
  const body = { records: [record, record], deadlineMs: 600_000 };
  await leaves(2, () => posts("/v1/predict/scores", body));
});

test("so do those of a model that is asked as such", async () => {
  const input = { name: "features", datatype: "FP64", shape: [3, width] };
  const body = { inputs: [{ ...input, data: new Array(3 * width).fill(1) }] };
  await leaves(3, () => posts(`/v2/models/${step.model.name}/infer`, body));
});

test("so do those of a call over gRPC that is cancelled", async () => {
  const client = new inference(String(gateway.grpcAddress), credentials.createInsecure());
  const contents = { fp64_contents: new Array(width).fill(1) };
  const tensor = { name: "features", datatype: "FP64", shape: [1, width], contents };
  const infer = (client as unknown as { ModelInfer: Infer }).ModelInfer.bind(client);
  await leaves(1, () => {
    const call = infer({ model_name: step.model.name, inputs: [tensor] }, () => {});
    return () => call.cancel();
  });
  client.close();
});

type Infer = (message: object, answered: () => void) => ClientUnaryCall;

test("what is given up is counted by its code", async () => {
  const text = await gateway.metrics.registry.metrics();
  assert.match(text, /millrace_gateway_errors_total\{code="REQUEST_ABANDONED"\} 3/);
});
