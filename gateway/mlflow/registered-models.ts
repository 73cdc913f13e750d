import type { z } from "zod";
import { registeredModelOf, versionOf } from "../../runtime/tracking/fold/registered-models.ts";
import type { RegisteredModel } from "../../runtime/tracking/fold/tracking-state.ts";
import type { Registered, RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import type { Tracking } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Door } from "../door.ts";
import { meets, parseFilter, type ReadValue, type Searchable } from "./filter.ts";
import { mlflowDoor, named, page, pairs, results, text, texts, whole } from "./mlflow-door.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";
import { aliasesOf, latestOf, registeredModelJson, stageOf, versionJson } from "./registry-wire.ts";

const searchable: Searchable = {
  what: "registered models",
  fields: {
    name: { name: "name", type: "text" },
    creation_timestamp: { name: "creation_timestamp", type: "number" },
    last_updated_timestamp: { name: "last_updated_timestamp", type: "number" },
    timestamp: { name: "last_updated_timestamp", type: "number" },
  },
  entities: ["tag"],
};

/** The client asks of every search that it is none of these; a model without the tag is none. */
const promptTag = "mlflow.prompt.is_prompt";

const read: ReadValue<RegisteredModel> = (model, entity, key) => {
  if (entity === "tag") return model.tags.get(key) ?? (key === promptTag ? "false" : null);
  if (key === "name") return model.name;
  return key === "creation_timestamp" ? model.createdAt : model.updatedAt;
};

const search = { max_results: results(100), ...page };
const name = { name: named };

export function registeredModelDoors(
  models: RegisteredModels,
  tracking: Tracking,
): readonly Door[] {
  return [
    ...lookingDoors(models),
    ...changingDoors(models, tracking),
    ...tagDoors(models, tracking),
    ...aliasDoors(models),
  ];
}

async function answered(models: RegisteredModels, of: string): Promise<object> {
  const registered = await models.read();
  const found = registeredModelOf(registered.state, of);
  return { registered_model: registeredModelJson(registered, found) };
}

function lookingDoors(models: RegisteredModels): readonly Door[] {
  const latest = async ({ name: of, stages }: { name: string; stages: string[] }) => {
    const registered = await models.read();
    const found = registeredModelOf(registered.state, of);
    const asked = stages.map(stageOf);
    const versions = latestOf(found).filter(
      ({ stage }) => asked.length === 0 || asked.includes(stage),
    );
    return { model_versions: versions.map((each) => versionJson(registered, found, each)) };
  };
  return [
    mlflowDoor({
      ...{ method: "GET", path: "registered-models/get", reads: true, fields: name },
      title: "A registered model by its name",
      answer: async ({ name: of }) => await answered(models, of),
    }),
    mlflowDoor({
      ...{ method: "GET", path: "registered-models/search", reads: true, fields: search },
      title: "Registered models that meet a filter, with their aliases",
      answer: async (asked: z.infer<z.ZodObject<typeof search>>) => {
        const conditions = parseFilter(asked.filter, searchable);
        const order = parseOrder([...asked.order_by, "name ASC"], searchable);
        const registered = await models.read();
        const all = [...registered.state.registeredModels.values()].filter((each) =>
          meets(each, conditions, read),
        );
        const { things, ...next } = pageOf(ordered(all, order, read), asked, 1_000);
        const told = things.map((each) => registeredModelJson(registered, each));
        return { registered_models: told, ...next };
      },
    }),
    ...(["GET", "POST"] as const).map((method) =>
      mlflowDoor({
        ...{ method, path: "registered-models/get-latest-versions", reads: true, answer: latest },
        ...{ title: "The last version of each stage", fields: { ...name, stages: texts } },
      }),
    ),
  ];
}

function changingDoors(models: RegisteredModels, tracking: Tracking): readonly Door[] {
  return [
    mlflowDoor({
      ...{ method: "POST", path: "registered-models/create", reads: false },
      title: "Make a registered model",
      about:
        "A model that a step scores by is there from the beginning, under its name in scoredBy.",
      fields: { ...name, tags: pairs, description: text },
      answer: async (asked, { by }) => {
        await models.read();
        await tracking.write("name.create", by, asked);
        return await answered(models, asked.name);
      },
    }),
    mlflowDoor({
      ...{ method: "POST", path: "registered-models/rename", reads: false },
      ...{ title: "Give a registered model another name", fields: { ...name, new_name: named } },
      answer: async ({ name: of, new_name: newName }, { by }) => {
        await models.read();
        models.keepName(of);
        await tracking.write("name.rename", by, { name: of, newName });
        return await answered(models, newName);
      },
    }),
    mlflowDoor({
      ...{ method: "PATCH", path: "registered-models/update", reads: false },
      ...{ title: "Describe a registered model", fields: { ...name, description: text } },
      answer: async (asked, { by }) => {
        await models.read();
        await tracking.write("name.describe", by, asked);
        return await answered(models, asked.name);
      },
    }),
    mlflowDoor({
      ...{ method: "DELETE", path: "registered-models/delete", reads: false, fields: name },
      title: "Delete a registered model that no step scores by",
      answer: async (asked, { by }) => {
        models.keepName(asked.name);
        await tracking.write("name.delete", by, asked);
        return {};
      },
    }),
  ];
}

function tagDoors(models: RegisteredModels, tracking: Tracking): readonly Door[] {
  return [
    mlflowDoor({
      ...{ method: "POST", path: "registered-models/set-tag", reads: false },
      title: "Set a tag of a registered model",
      fields: { ...name, key: named, value: text },
      answer: async (asked, { by }) => {
        await models.read();
        await tracking.write("name.tag", by, asked);
        return {};
      },
    }),
    mlflowDoor({
      ...{ method: "DELETE", path: "registered-models/delete-tag", reads: false },
      ...{ title: "Remove a tag of a registered model", fields: { ...name, key: named } },
      answer: async (asked, { by }) => {
        await tracking.write("name.tag", by, { ...asked, value: null });
        return {};
      },
    }),
  ];
}

function aliasDoors(models: RegisteredModels): readonly Door[] {
  const path = "registered-models/alias";
  return [
    mlflowDoor({
      ...{ method: "POST", path, reads: false, title: "Say which version an alias stands for" },
      about:
        "The alias champion of a model that a step scores by: the stream is scored by that version from then on.",
      fields: { ...name, alias: named, version: whole },
      errors: ["MODEL_CHANGE_LOST", "MODEL_VERSION_UNKNOWN"],
      answer: async ({ name: of, alias, version }, { by }) => {
        await models.setAlias(of, alias, version, by);
        return {};
      },
    }),
    mlflowDoor({
      ...{ method: "DELETE", path, reads: false, title: "Remove an alias" },
      fields: { ...name, alias: named },
      answer: async ({ name: of, alias }, { by }) => {
        await models.deleteAlias(of, alias, by);
        return {};
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path, reads: true, title: "The version that an alias stands for" },
      fields: { ...name, alias: named },
      answer: async ({ name: of, alias }) => {
        const registered: Registered = await models.read();
        const found = registeredModelOf(registered.state, of);
        const version = aliasesOf(registered, found).get(alias);
        if (version === undefined) {
          const what = `alias of the registered model ${of.slice(0, 200)}`;
          throw new MillraceError("TRACKING_UNKNOWN", { what, name: alias.slice(0, 200) });
        }
        const model_version = versionJson(registered, found, versionOf(found, version));
        return { model_version };
      },
    }),
  ];
}
