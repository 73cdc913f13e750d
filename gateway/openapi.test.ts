import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Registry } from "prom-client";
import { Predictions, type PredictStack } from "../runtime/predict/predictions.ts";
import {
  RegisteredModels,
  type RegisteredModelsStack,
} from "../runtime/tracking/registered-models.ts";
import { Tracking, type TrackingStack } from "../runtime/tracking/tracking.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { allDoors } from "./doors/all-doors.ts";
import { ask, countedStores, openTestGateway } from "./gateway-fixture.ts";
import { openApiDocument } from "./openapi.ts";
import { Served } from "./served.ts";

const served = new Served([], countedStores(), () => null);
const predictions = new Predictions([], {} as PredictStack);
const tracking = new Tracking([], {} as TrackingStack);
const models = new RegisteredModels(tracking, [], {} as RegisteredModelsStack, () => null);
const doors = allDoors({
  served,
  ingest: null,
  predictions,
  ...{ tracking, models },
  registry: new Registry(),
  waitingFor: () => [],
});
const document = openApiDocument(doors.filter(({ path }) => path !== "/openapi.json"));

test("docs/openapi.json is what the doors are (GOLDEN=write rewrites it), and is served", async (t) => {
  const path = join(packageRoot(), "docs", "openapi.json");
  const text = `${JSON.stringify(document, null, 2)}\n`;
  if (process.env["GOLDEN"] === "write") writeFileSync(path, text);
  assert.deepEqual(JSON.parse(readFileSync(path, "utf8")), JSON.parse(text));
  const gateway = await openTestGateway(doors);
  t.after(() => gateway.close());
  const { status, body } = await ask(`${gateway.url}/openapi.json`);
  assert.deepEqual([status, body], [200, JSON.parse(text)]);
});

test("every operation has a name of its own, and every part of its path a parameter", () => {
  const paths = Object.entries(document["paths"] as Record<string, Record<string, Operation>>);
  const operations = paths.flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  );
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { path, parameters, responses } of operations) {
    const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const named = parameters.filter((each) => each.in === "path").map(({ name }) => name);
    assert.deepEqual(named, parts, path);
    assert.ok(Object.keys(responses).some((status) => status.startsWith("2")));
  }
});

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}
