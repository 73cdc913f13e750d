import type { StoredFile, TrackingCommandOf } from "../../../schemas/tracking-command.ts";
import { FileTree } from "./file-tree.ts";
import { checkLength, checkPairs, type Handlers, unknown, valueMost } from "./handler.ts";
import { newModel, note, registeredModelOf, versionOf } from "./registered-models.ts";
import type { ModelVersion, TrackingState } from "./tracking-state.ts";

/** Versions of registered models. */
export const modelVersions: Handlers<
  | "version.create"
  | "version.adopt"
  | "version.describe"
  | "version.delete"
  | "version.stage"
  | "version.tag"
> = {
  // Whoever registers knows more than who finds: its number stands if somebody has found it first.
  "version.create": (state, command) => creating(state, command),
  // Several gateways may find a version at once, and find it while its registration is noted.
  "version.adopt": (state, command) => {
    const isKnown = state.registeredModels.get(command.name)?.natives.has(command.native);
    return isKnown ? () => {} : creating(state, command);
  },
  "version.describe": (state, { name, version, description, at, by }) => {
    const found = versionOf(registeredModelOf(state, name), version);
    checkLength("the description", description, valueMost.description);
    return () => {
      const what = `describe ${version}`;
      note(state, name, { at, by, what, from: found.description, to: description, why: "" });
      found.description = description;
      found.updatedAt = at;
    };
  },
  "version.delete": (state, { name, version, at, by }) => {
    const found = registeredModelOf(state, name);
    versionOf(found, version);
    return () => {
      note(state, name, { at, by, what: "delete", from: String(version), to: "", why: "" });
      found.versions.delete(version);
      for (const [alias, of] of found.aliases) if (of === version) found.aliases.delete(alias);
      found.updatedAt = at;
    };
  },
  "version.stage": (state, { name, version, stage, archive, at, by }) => {
    const model = registeredModelOf(state, name);
    const found = versionOf(model, version);
    return () => {
      const others = [...model.versions.values()].filter(
        (each) => archive && each !== found && each.stage === stage,
      );
      for (const [each, to] of [
        ...others.map((one) => [one, "Archived"] as const),
        [found, stage] as const,
      ]) {
        note(state, name, {
          at,
          by,
          what: `stage of ${each.number}`,
          from: each.stage,
          to,
          why: "",
        });
        each.stage = to;
        each.updatedAt = at;
      }
      model.updatedAt = at;
    };
  },
  "version.tag": (state, { name, version, key, value, at, by }) => {
    const found = versionOf(registeredModelOf(state, name), version);
    if (value !== null) checkPairs("tag", [{ key, value }]);
    return () => {
      const from = found.tags.get(key) ?? "";
      note(state, name, {
        at,
        by,
        what: `tag ${key} of ${version}`,
        from,
        to: value ?? "",
        why: "",
      });
      if (value === null) found.tags.delete(key);
      else found.tags.set(key, value);
      found.updatedAt = at;
    };
  },
};

type Creation = TrackingCommandOf<"version.create" | "version.adopt">;

/** @throws {MillraceError} as a handler. */
function creating(state: TrackingState, command: Creation): () => ModelVersion {
  const { name, at, by, tags, description, native, why } = command;
  const model = state.registeredModels.get(name);
  if (model === undefined && native === "") unknown("registered model", name);
  checkPairs("tag", tags);
  checkLength("the description", description, valueMost.description);
  return () => {
    const owner = model ?? newModel(state, { name, at, by });
    const known = native === "" ? undefined : owner.natives.get(native);
    const number = known ?? owner.next++;
    const made = newVersion(command, number);
    owner.versions.set(number, made);
    if (native !== "") owner.natives.set(native, number);
    owner.updatedAt = at;
    const to = `${number}${native === "" ? "" : ` (${native})`}`;
    if (known === undefined)
      note(state, name, { at: madeAt(command), by, what: "version", from: "", to, why });
    return made;
  };
}

/** One that came another way was made when the register says, not when somebody first looked. */
function madeAt({ at, madeAt: earlier }: Creation): number {
  return earlier ?? at;
}

function newVersion(command: Creation, number: number): ModelVersion {
  const { by, source, run, runLink, model, description, tags, files, native, sha256 } = command;
  const at = madeAt(command);
  const tree = new FileTree<StoredFile>();
  for (const [path, file] of Object.entries(files)) tree.put(path, file);
  return {
    ...{ number, native, sha256, createdAt: at, updatedAt: at, user: by, source, run, runLink },
    ...{ loggedModel: model, description, stage: "None", files: tree },
    tags: new Map(tags.map(({ key, value }) => [key, value])),
  };
}
