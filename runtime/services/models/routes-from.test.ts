import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModelRoutes, noRoutes, versionsIn } from "../../../schemas/model-routes.ts";
import { type AskedRoutes, routesFrom } from "./routes-from.ts";

const nobody: AskedRoutes = { champion: null, challengers: [], shadow: null, segment: null };
const change = (before: ModelRoutes, asked: Partial<AskedRoutes>) =>
  routesFrom(before, { ...nobody, ...asked }, (version) => `sha256 of ${version}`);
const some = (version: string) => ({ challengers: [{ version, share: 0.5 }] });

test("changes for all records leave challengers of segments, but for one that names nobody", () => {
  const germans = change(noRoutes, { ...some("r3"), segment: "DE" });
  const all = change(germans, { ...some("r2"), shadow: { version: "r4", share: 1 } });
  assert.deepEqual([...versionsIn(all)].sort(), ["r2", "r3", "r4"]);
  assert.deepEqual([...versionsIn(change(all, { segment: "DE" }))].sort(), ["r2", "r4"]);
  assert.deepEqual([...versionsIn(change(all, some("r5")))].sort(), ["r3", "r5"]);
  assert.deepEqual(change(all, {}), noRoutes);
  assert.deepEqual(change(all, { champion: "r3" }), noRoutes);
});
