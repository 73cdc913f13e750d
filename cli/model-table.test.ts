import assert from "node:assert/strict";
import { test } from "node:test";
import { modelTable } from "./model-table.ts";

test("a training that made no model says so, and why", () => {
  const line = {
    ...{ topology: "shop", model: "fraud" },
    effectiveFrom: "2026-01-15T00:00:00.000Z",
    holdoutAuc: null,
    scored: 0,
    liveAuc: null,
  };
  const reason = "0 labelled rows are too few; 200 are needed";
  const text = modelTable([
    { ...line, version: "v1", promoted: false, trainedOn: 0, sha256: "", reason },
    { ...line, version: "v2", promoted: true, trainedOn: 9_000, sha256: "ab12", reason: "good" },
  ]);
  assert.match(text, /^v1 +no model /m);
  assert.match(text, /^v2 +yes .* 9,000 .* ab12/m);
  assert.ok(text.endsWith(`\nv1: ${reason}`), text);
});

test("versions of several models are told with the names of these", () => {
  const line = {
    ...{ topology: "grid", version: "v1", promoted: true, effectiveFrom: "", trainedOn: 1 },
    ...{ holdoutAuc: null, scored: 0, liveAuc: null, sha256: "ab", reason: "" },
  };
  const text = modelTable([
    { ...line, model: "load" },
    { ...line, model: "fault" },
    { ...line, model: "fault", version: "v2", sha256: "", reason: "too few rows" },
  ]);
  assert.match(text, /^load v1 .*\nfault v1 .*\nfault v2 /m);
  assert.ok(text.endsWith("\nfault v2: too few rows"), text);
});
