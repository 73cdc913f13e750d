/** What the register says of a file besides the checks of `check-model.ts`. */
import assert from "node:assert/strict";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { notExplained } from "../../../schemas/model-change.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import {
  explainedPlan,
  type PredictWorld,
  predictWorld,
  step,
} from "../../predict/predict-fixture.ts";
import { RegisteredModels } from "../../tracking/registered-models.ts";
import { Tracking } from "../../tracking/tracking.ts";
import { ensembleFile, plainEnsemble } from "../score/ensemble-fixture.ts";
import { type ModelCandidate, ModelNames } from "./model-names.ts";

let world: PredictWorld;
let names: ModelNames;
before(async () => {
  world = await predictWorld(explainedPlan);
  const stores = { broker: world.broker, offline, artifacts: world.artifacts("one") };
  names = new ModelNames(explainedPlan, "fraud", stores, Date.now);
});
after(() => world.close());

/** Without any row: models are checked on rows that are made up. */
const offline = { of: () => ({ query: async () => [] }) } as unknown as OfflineStore;
const fixtures = join(packageRoot(), "examples", "models", "fixtures");
const intent = { effectiveFrom: null, by: "test", why: "" };
/** Fixtures take five features. */
const order = step.features.slice(0, 5);
const shape = { ...plainEnsemble, features: 5, transform: "LOGISTIC" };
/** Trees of which the highest leaf counts: no sum of what features contribute. */
const highest = ensembleFile({ ...shape, aggregate: "MAX" }, "highest");
const candidate = (file: string): ModelCandidate => ({
  ...{ file, golden: null, tolerance: 1e-5, order, output: null, positive: null, logit: false },
});

test("a file that is too large is refused before it is read, with what it may have", async () => {
  const file = join(world.folder, "large.onnx");
  const opened = await open(file, "w");
  await opened.truncate(64 * 1024 * 1024 + 1);
  await opened.close();
  await assert.rejects(names.register(candidate(file), intent, false), {
    code: "MODEL_REFUSED",
    message: /large\.onnx has 67108865 bytes, more than the 67108864 that a model may have/,
  });
});

test("a version that a step cannot explain says so when it is registered, and for good", async () => {
  const can = await names.register(candidate(join(fixtures, "xgboost.onnx")), intent, false);
  assert.equal("notExplained" in (can.checked ?? {}), false);
  const file = join(world.folder, "highest.onnx");
  await writeFile(file, highest);
  const cannot = await names.register(candidate(file), intent, false);
  assert.match(cannot.checked?.notExplained ?? "", /it aggregates by MAX/);
  await names.promote(cannot.version, intent);
  const { changes } = await names.state();
  assert.equal(notExplained(changes, cannot.version), cannot.checked?.notExplained);
  assert.equal(notExplained(changes, can.version), null);
});

test("MLflow's versions that a step cannot explain have a tag with the reason", async () => {
  const stack = { ...world, offline, artifacts: world.artifacts("other") };
  const tracking = new Tracking([explainedPlan], stack);
  const models = new RegisteredModels(tracking, [explainedPlan], stack, Date.now);
  const adopted = (await models.read()).state.registeredModels.get("fraud")?.versions;
  assert.deepEqual(
    [...(adopted?.values() ?? [])].map(({ tags }) => tags.has("millrace.not_explained")),
    [false, true],
  );
  const copied = { key: "millrace.not_explained", value: "of another version" };
  const made = async (bytes: Uint8Array) => {
    const file = await tracking.keep(bytes);
    const { tags } = await models.createVersion(
      {
        ...{ name: "fraud", source: "runs:/r/model", run: "", runLink: "", model: "" },
        ...{ description: "", files: { "model.onnx": file } },
        tags: [{ key: "millrace.order", value: order.join() }, copied],
      },
      "test",
    );
    return tags.get("millrace.not_explained");
  };
  assert.match((await made(highest)) ?? "", /it aggregates by MAX/);
  assert.equal(await made(await readFile(join(fixtures, "xgboost.onnx"))), undefined);
  await tracking.close();
});
