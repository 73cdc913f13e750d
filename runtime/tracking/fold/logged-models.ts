import {
  activeExperiment,
  checkLength,
  checkPairs,
  checkParams,
  exists,
  type Handlers,
  loggedModelOf,
  setAll,
  unknown,
  valueMost,
} from "./handler.ts";
import type { LoggedModel } from "./tracking-state.ts";

/** Models that runs have logged. */
export const loggedModels: Handlers<
  | "logged-model.create"
  | "logged-model.finish"
  | "logged-model.delete"
  | "logged-model.params"
  | "logged-model.tag"
  | "logged-model.untag"
> = {
  "logged-model.create": (state, { model, experiment, name, type, run, params, tags, at }) => {
    activeExperiment(state, experiment);
    if (state.loggedModels.has(model)) exists("logged model", model);
    checkLength("the name of the logged model", name, valueMost.name);
    checkPairs("param", params);
    checkPairs("tag", tags);
    checkParams("the model", new Map(), params);
    return () => {
      const made: LoggedModel = {
        ...{ id: model, experiment, name, type, run, createdAt: at, updatedAt: at },
        ...{ status: "LOGGED_MODEL_PENDING", stage: "active" },
        ...{ params: new Map(), tags: new Map() },
      };
      setAll(made.params, params);
      setAll(made.tags, tags);
      state.loggedModels.set(model, made);
      return made;
    };
  },
  "logged-model.finish": (state, { model, status, at }) => {
    const found = loggedModelOf(state, model);
    return () => {
      found.status = status;
      found.updatedAt = at;
      return found;
    };
  },
  "logged-model.delete": (state, { model, at }) => {
    const found = loggedModelOf(state, model);
    return () => {
      found.stage = "deleted";
      found.updatedAt = at;
    };
  },
  "logged-model.params": (state, { model, params, at }) => {
    const found = loggedModelOf(state, model);
    checkPairs("param", params);
    checkParams(`the model ${model}`, found.params, params);
    return () => {
      setAll(found.params, params);
      found.updatedAt = at;
    };
  },
  "logged-model.tag": (state, { model, tags, at }) => {
    const found = loggedModelOf(state, model);
    checkPairs("tag", tags);
    return () => {
      setAll(found.tags, tags);
      found.updatedAt = at;
      return found;
    };
  },
  "logged-model.untag": (state, { model, key, at }) => {
    const found = loggedModelOf(state, model);
    if (!found.tags.has(key)) unknown(`tag of the model ${model}`, key);
    return () => {
      found.tags.delete(key);
      found.updatedAt = at;
    };
  },
};
