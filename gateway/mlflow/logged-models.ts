import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  artifactScheme,
  type LoggedModel,
  loggedModelArtifacts,
  type TrackingState,
} from "../../runtime/tracking/fold/tracking-state.ts";
import type { Tracking } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { loggedModelStatuses } from "../../schemas/tracking-command.ts";
import type { Door } from "../door.ts";
import { filesIn } from "./artifacts.ts";
import { meets, parseFilter, type ReadValue, type Searchable } from "./filter.ts";
import { mlflowDoor, named, pairs, results, text, texts } from "./mlflow-door.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";
import { loggedModelJson, metricJson } from "./wire.ts";

const time = { type: "number" } as const;
const searchable: Searchable = {
  what: "logged models",
  fields: {
    ...{ name: { name: "name", type: "text" }, model_name: { name: "name", type: "text" } },
    ...{ model_id: { name: "model_id", type: "text" }, status: { name: "status", type: "text" } },
    ...{ model_type: { name: "model_type", type: "text" } },
    ...{ source_run_id: { name: "source_run_id", type: "text" } },
    ...{ creation_timestamp: { ...time, name: "creation_timestamp" } },
    ...{ creation_time: { ...time, name: "creation_timestamp" } },
    ...{ last_updated_timestamp: { ...time, name: "last_updated_timestamp" } },
  },
  entities: ["metric", "param", "tag"],
};

interface Found {
  readonly model: LoggedModel;
  readonly metrics: ReadonlyMap<string, number>;
}

const read: ReadValue<Found> = ({ model, metrics }, entity, key) => {
  if (entity === "metric") return metrics.get(key) ?? null;
  if (entity === "param") return model.params.get(key) ?? null;
  if (entity === "tag") return model.tags.get(key) ?? null;
  const attributes: Readonly<Record<string, string | number>> = {
    ...{ name: model.name, model_id: model.id, status: model.status.slice(statusPrefix.length) },
    ...{ model_type: model.type, source_run_id: model.run },
    ...{ creation_timestamp: model.createdAt, last_updated_timestamp: model.updatedAt },
  };
  return attributes[key] ?? null;
};

const statusPrefix = "LOGGED_MODEL_";
const parts = { model: "id of a logged model, m-…" };
const path = "logged-models/:model";

/** Models that runs have logged, as MLflow 3 has them. */
export function loggedModelDoors(tracking: Tracking): readonly Door[] {
  return [...changingDoors(tracking), ...lookingDoors(tracking)];
}

/** @param deleted - whether one that is deleted will do. @default no */
export function knownModel(
  { loggedModels }: TrackingState,
  id: string,
  deleted = false,
): LoggedModel {
  const found = loggedModels.get(id);
  if (found !== undefined && (deleted || found.stage === "active")) return found;
  const name = id.slice(0, 200);
  throw new MillraceError("TRACKING_UNKNOWN", { what: "logged model with the id", name });
}

/** Metrics that were logged of a model, by its run. */
export function metricsOfModel({ runs }: TrackingState, model: LoggedModel) {
  const metrics = runs.get(model.run)?.metrics.values() ?? [];
  return [...metrics].flatMap(({ points }) => {
    const own = points.filter(({ modelId }) => modelId === model.id);
    return own.slice(-1);
  });
}

function whole(state: TrackingState, model: LoggedModel): object {
  const metrics = metricsOfModel(state, model).map((point) => metricJson(point, model.run));
  return { model: loggedModelJson(model, metrics) };
}

function changingDoors(tracking: Tracking): readonly Door[] {
  const changing = { reads: false, parts } as const;
  const answered = async (id: string) => {
    const state = await tracking.state();
    return whole(state, knownModel(state, id));
  };
  return [
    mlflowDoor({
      ...{ method: "POST", path: "logged-models", reads: false, title: "Begin to log a model" },
      fields: {
        ...{ experiment_id: named, name: text, model_type: text, source_run_id: text },
        ...{ params: pairs, tags: pairs },
      },
      answer: async (asked, { by }) => {
        const model = `m-${randomUUID().replaceAll("-", "")}`;
        const { experiment_id: experiment, params, tags, model_type: type } = asked;
        await tracking.write("logged-model.create", by, {
          ...{ model, experiment, type, params, tags, run: asked.source_run_id },
          name: asked.name === "" ? `model-${model.slice(2, 10)}` : asked.name,
        });
        return await answered(model);
      },
    }),
    mlflowDoor({
      ...{
        ...changing,
        method: "PATCH",
        path,
        title: "Say that a model is logged whole, or is not",
      },
      fields: { status: z.enum(loggedModelStatuses) },
      answer: async ({ status }, { by, path: { model = "" } }) => {
        await tracking.write("logged-model.finish", by, { model, status });
        return await answered(model);
      },
    }),
    mlflowDoor({
      ...{ ...changing, method: "DELETE", path, title: "Hide a logged model", fields: {} },
      answer: async (_, { by, path: { model = "" } }) => {
        await tracking.write("logged-model.delete", by, { model });
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, method: "PATCH", path: `${path}/tags`, fields: { tags: pairs } },
      title: "Set tags of a logged model",
      answer: async ({ tags }, { by, path: { model = "" } }) => {
        await tracking.write("logged-model.tag", by, { model, tags });
        return await answered(model);
      },
    }),
    mlflowDoor({
      ...{ reads: false, method: "DELETE", path: `${path}/tags/:key`, fields: {} },
      ...{ title: "Remove a tag of a logged model", parts: { ...parts, key: "of the tag" } },
      answer: async (_, { by, path: { model = "", key = "" } }) => {
        await tracking.write("logged-model.untag", by, { model, key });
        return {};
      },
    }),
    mlflowDoor({
      ...{ ...changing, method: "POST", path: `${path}/params`, fields: { params: pairs } },
      title: "Log parameters of a logged model",
      answer: async ({ params }, { by, path: { model = "" } }) => {
        await tracking.write("logged-model.params", by, { model, params });
        return {};
      },
    }),
  ];
}

function lookingDoors(tracking: Tracking): readonly Door[] {
  const order = z.object({
    field_name: named,
    ascending: z.boolean().nullish(),
  });
  return [
    mlflowDoor({
      ...{ method: "GET", path, reads: true, parts, title: "A logged model by its id" },
      fields: { allow_deleted: text },
      answer: async ({ allow_deleted: deleted }, { path: { model = "" } }) => {
        const state = await tracking.state();
        return whole(state, knownModel(state, model, deleted === "true"));
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: `${path}/artifacts/directories`, reads: true, parts },
      ...{ title: "Files of a logged model", fields: { artifact_directory_path: text } },
      answer: async ({ artifact_directory_path: folder }, { path: { model = "" } }) => {
        const state = await tracking.state();
        const root = loggedModelArtifacts(knownModel(state, model));
        return { root_uri: `${artifactScheme}/${root}`, files: filesIn(state, root, folder) };
      },
    }),
    mlflowDoor({
      ...{ method: "POST", path: "logged-models/search", reads: true },
      title: "Logged models that meet a filter",
      fields: {
        ...{ experiment_ids: texts, filter: text, page_token: text, max_results: results(50) },
        order_by: z
          .array(order)
          .nullish()
          .transform((given) => given ?? []),
      },
      answer: async (asked) => {
        const conditions = parseFilter(asked.filter, searchable);
        const by = asked.order_by.map(
          ({ field_name, ascending }) => `${field_name} ${ascending === false ? "DESC" : "ASC"}`,
        );
        const sorted = parseOrder([...by, "creation_timestamp DESC", "model_id"], searchable);
        const within = new Set(asked.experiment_ids);
        const state = await tracking.state();
        const all = [...state.loggedModels.values()]
          .filter(({ stage, experiment }) => stage === "active" && within.has(experiment))
          .map((model): Found => {
            const points = metricsOfModel(state, model);
            return { model, metrics: new Map(points.map(({ key, value }) => [key, value])) };
          })
          .filter((found) => meets(found, conditions, read));
        const { things, ...next } = pageOf(ordered(all, sorted, read), asked, 1_000);
        const models = things.map(({ model }) => {
          const metrics = metricsOfModel(state, model).map((each) => metricJson(each, model.run));
          return loggedModelJson(model, metrics);
        });
        return { models, ...next };
      },
    }),
  ];
}
