import {
  checkLength,
  checkPairs,
  exists,
  type Handlers,
  invalid,
  setAll,
  unknown,
  valueMost,
} from "./handler.ts";
import type { ModelNote } from "./model-note.ts";
import type { ModelVersion, RegisteredModel, TrackingState } from "./tracking-state.ts";

/** Names of registered models, and what stands for them. */
export const registeredModels: Handlers<
  | "name.create"
  | "name.rename"
  | "name.describe"
  | "name.delete"
  | "name.tag"
  | "alias.set"
  | "alias.delete"
> = {
  "name.create": (state, { name, tags, description, at, by }) => {
    checkName(state, name);
    checkPairs("tag", tags);
    checkLength("the description", description, valueMost.description);
    return () => {
      const made = newModel(state, { name, at, by });
      made.description = description;
      setAll(made.tags, tags);
      note(state, name, { at, by, what: "create", from: "", to: name, why: "" });
      return made;
    };
  },
  "name.rename": (state, { name, newName, at, by }) => {
    const found = registeredModelOf(state, name);
    if (newName !== name) checkName(state, newName);
    return () => {
      note(state, name, { at, by, what: "rename", from: name, to: newName, why: "" });
      const history = state.modelHistory.get(name) ?? [];
      state.registeredModels.delete(name);
      state.registeredModels.set(newName, found);
      state.modelHistory.delete(name);
      state.modelHistory.set(newName, [...(state.modelHistory.get(newName) ?? []), ...history]);
      found.name = newName;
      found.updatedAt = at;
    };
  },
  "name.describe": (state, { name, description, at, by }) => {
    const found = registeredModelOf(state, name);
    checkLength("the description", description, valueMost.description);
    return () => {
      const { description: from } = found;
      note(state, name, { at, by, what: "describe", from, to: description, why: "" });
      found.description = description;
      found.updatedAt = at;
    };
  },
  "name.delete": (state, { name, at, by }) => {
    registeredModelOf(state, name);
    return () => {
      note(state, name, { at, by, what: "delete", from: name, to: "", why: "" });
      state.registeredModels.delete(name);
    };
  },
  "name.tag": (state, { name, key, value, at, by }) => {
    const found = registeredModelOf(state, name);
    if (value !== null) checkPairs("tag", [{ key, value }]);
    return () => {
      const from = found.tags.get(key) ?? "";
      note(state, name, { at, by, what: `tag ${key}`, from, to: value ?? "", why: "" });
      if (value === null) found.tags.delete(key);
      else found.tags.set(key, value);
      found.updatedAt = at;
    };
  },
  "alias.set": (state, { name, alias, version, at, by, why }) => {
    const found = registeredModelOf(state, name);
    versionOf(found, version);
    checkAlias(alias);
    return () => {
      const from = String(found.aliases.get(alias) ?? "");
      note(state, name, { at, by, what: `alias ${alias}`, from, to: String(version), why });
      found.aliases.set(alias, version);
      found.updatedAt = at;
    };
  },
  "alias.delete": (state, { name, alias, at, by }) => {
    const found = registeredModelOf(state, name);
    return () => {
      const before = found.aliases.get(alias);
      if (before === undefined) return;
      note(state, name, { at, by, what: `alias ${alias}`, from: String(before), to: "", why: "" });
      found.aliases.delete(alias);
      found.updatedAt = at;
    };
  },
};

export function registeredModelOf(
  { registeredModels: all }: TrackingState,
  name: string,
): RegisteredModel {
  return all.get(name) ?? unknown("registered model", name);
}

export function versionOf({ name, versions }: RegisteredModel, version: number): ModelVersion {
  return (
    versions.get(version) ?? unknown(`version of the registered model ${name}`, String(version))
  );
}

export function newModel(
  { registeredModels: all }: TrackingState,
  { name, at, by }: { readonly name: string; readonly at: number; readonly by: string },
): RegisteredModel {
  const made: RegisteredModel = {
    ...{ name, createdAt: at, updatedAt: at, user: by, description: "", next: 1 },
    ...{ tags: new Map(), aliases: new Map(), versions: new Map(), natives: new Map() },
  };
  all.set(name, made);
  return made;
}

export function note({ modelHistory }: TrackingState, name: string, made: ModelNote): void {
  const notes = modelHistory.get(name);
  if (notes === undefined) modelHistory.set(name, [made]);
  else notes.push(made);
}

const nameForm = /^[^/:\p{Cc}]{1,200}$/u;

function checkName({ registeredModels: all }: TrackingState, name: string): void {
  if (!nameForm.test(name) || name.trim() !== name || name === "." || name === "..") {
    invalid(
      `the name ${JSON.stringify(name.slice(0, 100))} of a registered model has to be 1 to 200 characters without / and :, and without spaces around it`,
    );
  }
  if (all.has(name)) exists("registered model", name);
}

/** As MLflow has it: `latest` and `v1` mean something else in its URIs. */
function checkAlias(alias: string): void {
  if (!/^[\w-]{1,255}$/.test(alias) || /^(?:latest|v\d+)$/i.test(alias)) {
    invalid(
      `the alias ${JSON.stringify(alias.slice(0, 100))} has to be letters, digits, - and _, and neither latest nor v and a number`,
    );
  }
}
