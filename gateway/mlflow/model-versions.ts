import type { z } from "zod";
import { registeredModelOf, versionOf } from "../../runtime/tracking/fold/registered-models.ts";
import type { ModelVersion, RegisteredModel } from "../../runtime/tracking/fold/tracking-state.ts";
import type { RegisteredModels } from "../../runtime/tracking/registered-models.ts";
import { originOf, sourceFiles } from "../../runtime/tracking/source-files.ts";
import type { Tracking } from "../../runtime/tracking/tracking.ts";
import type { Door } from "../door.ts";
import { meets, parseFilter, type ReadValue, type Searchable } from "./filter.ts";
import { flag, mlflowDoor, named, page, pairs, results, text, whole } from "./mlflow-door.ts";
import { ordered, pageOf, parseOrder } from "./order.ts";
import { downloadUri, stageOf, versionJson } from "./registry-wire.ts";

interface Found {
  readonly model: RegisteredModel;
  readonly version: ModelVersion;
}

const searchable: Searchable = {
  what: "model versions",
  fields: {
    ...{ name: { name: "name", type: "text" }, run_id: { name: "run_id", type: "text" } },
    ...{ source_path: { name: "source", type: "text" }, source: { name: "source", type: "text" } },
    ...{ current_stage: { name: "stage", type: "text" } },
    ...{ version_number: { name: "number", type: "number" } },
    ...{ version: { name: "number", type: "number" } },
    ...{ creation_timestamp: { name: "created", type: "number" } },
    ...{ last_updated_timestamp: { name: "updated", type: "number" } },
  },
  entities: ["tag"],
};

const read: ReadValue<Found> = ({ model, version }, entity, key) => {
  if (entity === "tag") {
    return version.tags.get(key) ?? (key === "mlflow.prompt.is_prompt" ? "false" : null);
  }
  const { run, source, stage, number, createdAt, updatedAt } = version;
  const values: Readonly<Record<string, string | number>> = {
    ...{ name: model.name, run_id: run, source, stage, number },
    ...{ created: createdAt, updated: updatedAt },
  };
  return values[key] ?? null;
};

const ofVersion = { name: named, version: whole };
const search = { max_results: results(200_000), ...page };

export function modelVersionDoors(models: RegisteredModels, tracking: Tracking): readonly Door[] {
  return [
    ...lookingDoors(models),
    ...changingDoors(models, tracking),
    ...tagDoors(models, tracking),
  ];
}

async function answered(models: RegisteredModels, name: string, number: number): Promise<object> {
  const registered = await models.read();
  const model = registeredModelOf(registered.state, name);
  return { model_version: versionJson(registered, model, versionOf(model, number)) };
}

function lookingDoors(models: RegisteredModels): readonly Door[] {
  return [
    mlflowDoor({
      ...{
        method: "GET",
        path: "model-versions/get",
        reads: true,
        title: "A version by its number",
      },
      fields: ofVersion,
      answer: async ({ name, version }) => await answered(models, name, version),
    }),
    mlflowDoor({
      ...{ method: "GET", path: "model-versions/get-download-uri", reads: true },
      ...{ title: "Where the files of a version are fetched", fields: ofVersion },
      answer: async ({ name, version }) => {
        const model = registeredModelOf((await models.read()).state, name);
        return { artifact_uri: downloadUri(model, versionOf(model, version)) };
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: "model-versions/search", reads: true, fields: search },
      title: "Versions that meet a filter, with their aliases",
      answer: async (asked: z.infer<z.ZodObject<typeof search>>) => {
        const conditions = parseFilter(asked.filter, searchable);
        const usual = ["last_updated_timestamp DESC", "name", "version_number DESC"];
        const order = parseOrder([...asked.order_by, ...usual], searchable);
        const registered = await models.read();
        const all = [...registered.state.registeredModels.values()]
          .flatMap((model) => [...model.versions.values()].map((version) => ({ model, version })))
          .filter((each) => meets(each, conditions, read));
        const { things, ...next } = pageOf(ordered(all, order, read), asked, 200_000);
        const told = things.map(({ model, version }) => versionJson(registered, model, version));
        return { model_versions: told, ...next };
      },
    }),
  ];
}

function changingDoors(models: RegisteredModels, tracking: Tracking): readonly Door[] {
  return [
    mlflowDoor({
      ...{ method: "POST", path: "model-versions/create", reads: false },
      title: "Register a version of a model",
      about:
        "A version of a model that a step scores by is checked as `millrace models register` does it, and answered once it stands in the register; what does not pass is refused with what to change. Its tags millrace.order, millrace.output, millrace.positive, millrace.logit and millrace.scorer say what its file cannot.",
      fields: {
        ...{ name: named, source: named, run_id: text, tags: pairs, run_link: text },
        ...{ description: text, model_id: text },
      },
      requestMs: 120_000,
      errors: ["MODEL_REFUSED", "MODEL_CHANGE_LOST", "ARTIFACTS_UNREACHABLE"],
      answer: async (asked, { by }) => {
        const { name, source, run_link: runLink, description, tags } = asked;
        const { state } = await models.read();
        registeredModelOf(state, name);
        const files = sourceFiles(state, source, asked.model_id);
        const origin = originOf(state, { source, run: asked.run_id, model: asked.model_id });
        const request = { name, source, runLink, description, tags, files, ...origin };
        const { number } = await models.createVersion(request, by);
        await tracking.state();
        return await answered(models, name, number);
      },
    }),
    mlflowDoor({
      ...{ method: "PATCH", path: "model-versions/update", reads: false },
      ...{ title: "Describe a version", fields: { ...ofVersion, description: text } },
      answer: async (asked, { by }) => {
        await tracking.write("version.describe", by, asked);
        return await answered(models, asked.name, asked.version);
      },
    }),
    mlflowDoor({
      ...{ method: "POST", path: "model-versions/transition-stage", reads: false },
      title: "Give a version a stage",
      about: "Stages are labels: what scores is said by the alias champion.",
      fields: {
        ...{ ...ofVersion, stage: named },
        archive_existing_versions: flag,
      },
      answer: async ({ name, version, stage, archive_existing_versions: archive }, { by }) => {
        const asked = { name, version, stage: stageOf(stage), archive };
        await tracking.write("version.stage", by, asked);
        return await answered(models, name, version);
      },
    }),
    mlflowDoor({
      ...{ method: "DELETE", path: "model-versions/delete", reads: false, fields: ofVersion },
      title: "Delete a version that is not the champion of a step",
      answer: async ({ name, version }, { by }) => {
        await models.deleteVersion(name, version, by);
        return {};
      },
    }),
  ];
}

function tagDoors(models: RegisteredModels, tracking: Tracking): readonly Door[] {
  return [
    mlflowDoor({
      ...{
        method: "POST",
        path: "model-versions/set-tag",
        reads: false,
        title: "Set a tag of a version",
      },
      fields: { ...ofVersion, key: named, value: text },
      answer: async (asked, { by }) => {
        await models.read();
        await tracking.write("version.tag", by, asked);
        return {};
      },
    }),
    mlflowDoor({
      ...{ method: "DELETE", path: "model-versions/delete-tag", reads: false },
      ...{ title: "Remove a tag of a version", fields: { ...ofVersion, key: named } },
      answer: async (asked, { by }) => {
        await tracking.write("version.tag", by, { ...asked, value: null });
        return {};
      },
    }),
  ];
}
