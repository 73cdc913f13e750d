import assert from "node:assert/strict";
import { test } from "node:test";
import { byVersion, fallbackAuc, type Served, servedOf } from "./served.ts";

const of = (scoring: string, version: string | null, total: number, auc: number | null): Served => {
  return { scoring, model: `${scoring}-model`, version, total, labelled: total - 1, auc };
};
const served = [
  ...[of("load", null, 4, 0.5), of("load", "v1", 10, 0.7), of("load", "v2", 20, 0.8)],
  ...[of("fault", null, 3, null), of("fault", "v1", 100, 0.9)],
];

test("versions of one name are of the model that they are of", () => {
  const told = (model: string, version: string) => servedOf(served, { model, version });
  assert.deepEqual(told("load-model", "v1"), { scored: 10, labelled: 9, liveAuc: 0.7 });
  assert.deepEqual(told("fault-model", "v1"), { scored: 100, labelled: 99, liveAuc: 0.9 });
  assert.deepEqual(told("fault-model", "v2"), { scored: 0, labelled: 0, liveAuc: null });
});

test("no prediction is left out where versions of two models have one name", () => {
  assert.deepEqual(byVersion(served), { v1: 110, v2: 20 });
});

test("the fallback has an AUC where one step alone has one", () => {
  assert.equal(fallbackAuc(served), 0.5);
  assert.equal(fallbackAuc([...served, of("other", null, 3, 0.6)]), null);
  assert.equal(fallbackAuc([]), null);
});
