import { z } from "zod";
import { registeredModelOf } from "../../runtime/tracking/fold/registered-models.ts";
import type { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { saysWhoAnswers } from "../../schemas/model-change.ts";
import { routesText, versionsIn } from "../../schemas/model-routes.ts";
import { type Door, door } from "../door.ts";

const entry = z.object({
  at: z.number().describe("UTC ms."),
  by: z.string(),
  what: z.string(),
  from: z.string().describe("Empty: nothing."),
  to: z.string(),
  why: z.string(),
});

/** Every change of a registered model, oldest first. */
export function modelHistoryDoor(models: RegisteredModels): Door {
  return door({
    ...{ method: "GET", path: "/v1/models/:model/history", scope: "read", orScope: "registry" },
    title: "Every change of a registered model",
    about:
      "Who, when, from what to what, and why: aliases, routes, versions, tags and descriptions.",
    parts: { model: "name of a registered model; of a step as in scoredBy" },
    takes: "none",
    answers: { status: 200, schema: z.object({ model: z.string(), changes: z.array(entry) }) },
    errors: ["TRACKING_UNKNOWN", "TRACKING_CLOSED"],
    handle: async ({ path: { model = "" } }) => {
      const { state } = await models.read();
      const logged = state.modelHistory.get(model) ?? [];
      // One that is deleted has its history still.
      if (logged.length === 0) registeredModelOf(state, model);
      const changes = await models.changes(model);
      const named = changes
        .filter(({ champion }) => champion)
        .map(({ at, by, from, version: to, why }) => {
          return { at, by, what: "alias champion", from, to, why };
        });
      let before = "";
      const routed = changes.filter(saysWhoAnswers).flatMap(({ at, by, routes = null, why }) => {
        const routesNow = versionsIn(routes).length === 0 ? [] : routesText(routes);
        const [from, to] = [before, routesNow.join("; ")];
        before = to;
        return from === to ? [] : [{ at, by, what: "route", from, to, why }];
      });
      const all = [...logged, ...named, ...routed].sort((a, b) => a.at - b.at);
      return { body: { model, changes: all } };
    },
  });
}
