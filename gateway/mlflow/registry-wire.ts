import type { ModelVersion, RegisteredModel } from "../../runtime/tracking/fold/tracking-state.ts";
import { championAlias, type Registered } from "../../runtime/tracking/registered-models.ts";
import { invalid } from "../read-request.ts";
import { pairsOf } from "./wire.ts";

/** Stages of versions, which MLflow has given up for aliases: they are labels and no more. */
export const stages = ["None", "Staging", "Production", "Archived"] as const;

/** @throws {MillraceError} REQUEST_INVALID. */
export function stageOf(given: string): string {
  const found = stages.find((stage) => stage.toLowerCase() === given.toLowerCase());
  return found ?? invalid("stage", `there is no such stage: ${stages.join(", ")}`);
}

/** By alias the version that it stands for; the register says who is champion. */
export function aliasesOf(
  { champions }: Registered,
  { name, aliases }: RegisteredModel,
): ReadonlyMap<string, number> {
  if (!champions.has(name)) return aliases;
  const champion = champions.get(name) ?? null;
  const others = [...aliases].filter(([alias]) => alias !== championAlias);
  return new Map(champion === null ? others : [[championAlias, champion], ...others]);
}

/** Of each stage the last version. */
export function latestOf({ versions }: RegisteredModel): ModelVersion[] {
  const byStage = new Map<string, ModelVersion>();
  for (const version of [...versions.values()].sort((a, b) => a.number - b.number)) {
    byStage.set(version.stage, version);
  }
  return [...byStage.values()];
}

export function registeredModelJson(registered: Registered, model: RegisteredModel): object {
  const { name, createdAt, updatedAt, user, description, tags } = model;
  const aliases = [...aliasesOf(registered, model)].map(([alias, version]) => {
    return { alias, version: String(version) };
  });
  return {
    ...{ name, creation_timestamp: createdAt, last_updated_timestamp: updatedAt, user_id: user },
    ...{ description, tags: pairsOf(tags), aliases },
    latest_versions: latestOf(model).map((each) => versionJson(registered, model, each)),
  };
}

export function versionJson(
  registered: Registered,
  model: RegisteredModel,
  version: ModelVersion,
): object {
  const { number, createdAt, updatedAt, user, stage, description, source, run, runLink } = version;
  const aliases = [...aliasesOf(registered, model)].flatMap(([alias, of]) =>
    of === number ? [alias] : [],
  );
  return {
    ...{ name: model.name, version: String(number), creation_timestamp: createdAt },
    ...{ last_updated_timestamp: updatedAt, user_id: user, current_stage: stage, description },
    ...{ source: source === "" ? downloadUri(model, version) : source, run_id: run },
    ...{ run_link: runLink, status: "READY", status_message: "", tags: pairsOf(version.tags) },
    ...{ aliases, ...(version.loggedModel === "" ? {} : { model_id: version.loggedModel }) },
  };
}

/** Where a client fetches a version: its files as they were registered, or else where it said. */
export function downloadUri(
  { name }: RegisteredModel,
  { number, files, source }: ModelVersion,
): string {
  return files.size === 0 ? source : `mlflow-artifacts:/models/${name}/${number}`;
}
