import assert from "node:assert/strict";
import { test } from "node:test";
import type { ModelEntry } from "../serving/model-desk.ts";
import { laterChampion } from "./later-champion.ts";

const at = Date.UTC(2026, 0, 12);
const entry = (version: string, effectiveFrom: number, champion = true): ModelEntry => ({
  ...{ topology: "shop", model: "fraud", kind: "promote", version, sha256: "", champion, from: "" },
  ...{ effectiveFrom, at, by: "ann", why: "", checked: null, notExplained: null, routes: null },
});

test("who makes a champion is warned of the first one that comes into force later", () => {
  const named = entry("r1", at);
  const history = [
    ...[named, entry("v2", at - 1), entry("v6", at + 2), entry("v5", at + 1)],
    entry("r3", at + 1, false),
  ];
  assert.match(laterChampion(named, history) ?? "", /after 2026-01-12T00:00:00\.001Z it is v5,/);
  assert.equal(laterChampion(entry("r1", at + 2), history), null);
});
