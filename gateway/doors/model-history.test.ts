import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { type ModelRoutes, noRoutes } from "../../schemas/model-routes.ts";
import type { Call } from "../door.ts";
import { modelHistoryDoor } from "./model-history.ts";

const shared: ModelRoutes = {
  ...noRoutes,
  challengers: [{ version: "r2", sha256: "b", ranges: [{ from: 0, to: 2 ** 31 }] }],
};

test("the history tells of routes, and of the champion that ends them", async () => {
  const made = { by: "ann", why: "", sha256: "a", checked: null };
  const changes = [
    { ...made, at: 1, kind: "promote", champion: true, from: "", version: "r1" },
    { ...made, at: 2, kind: "route", champion: false, from: "r1", version: "r1", routes: shared },
    {
      ...made,
      at: 3,
      kind: "promote",
      champion: true,
      from: "r1",
      version: "r3",
      routes: noRoutes,
    },
    { ...made, at: 4, kind: "promote", champion: true, from: "r3", version: "r1" },
  ];
  const logged = { at: 0, by: "ann", what: "version", from: "", to: "1 (r1)", why: "" };
  const models = {
    read: async () => ({ state: { modelHistory: new Map([["fraud", [logged]]]) } }),
    changes: async () => changes,
  } as unknown as RegisteredModels;
  const call = { path: { model: "fraud" } } as unknown as Call;
  const { body } = await modelHistoryDoor(models).handle(call);
  const told = (body as { changes: Record<string, string>[] }).changes;
  assert.deepEqual(
    told.map(({ at, what, from, to }) => [at, what, from, to]),
    [
      [0, "version", "", "1 (r1)"],
      [1, "alias champion", "", "r1"],
      [2, "route", "", "challengers r2 50%"],
      [3, "alias champion", "r1", "r3"],
      [3, "route", "challengers r2 50%", ""],
      [4, "alias champion", "r3", "r1"],
    ],
  );
});
