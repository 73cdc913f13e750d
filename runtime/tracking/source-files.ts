import type { StoredFiles } from "../../schemas/tracking-command.ts";
import { FileTree } from "./fold/file-tree.ts";
import { loggedModelArtifacts, runArtifacts, type TrackingState } from "./fold/tracking-state.ts";

/**
 * The files that a version is made of, by their paths within its source: what a run or a logged
 * model has there now, or another version had. None: the source stands elsewhere.
 *
 * @param model - id of the logged model that it is, "" for none.
 */
export function sourceFiles(state: TrackingState, source: string, model: string): StoredFiles {
  const path = pathOf(state, source) ?? (model === "" ? null : pathOf(state, `models:/${model}`));
  return path === null ? {} : filesAt(state, path);
}

/**
 * The run and the logged model that a version comes from, "" where there is none: clients name a
 * logged model by its URI alone.
 */
export function originOf(
  state: TrackingState,
  { source, run, model }: { readonly source: string; readonly run: string; readonly model: string },
): { readonly run: string; readonly model: string } {
  const path = (pathOf(state, source) ?? "").split("/");
  const [, owner = "", third = ""] = path;
  const named = owner === "models" ? third : model;
  const logged = state.loggedModels.get(named);
  const own = state.runs.has(owner) ? owner : (logged?.run ?? "");
  return { run: run === "" ? own : run, model: logged === undefined ? model : named };
}

/** A version's own files, by the path that clients are told: `models/NAME/NUMBER/…`. */
export function versionFiles(state: TrackingState, path: string) {
  const [root, name = "", number = "", ...rest] = path.split("/");
  if (root !== "models") return null;
  const version = state.registeredModels.get(name)?.versions.get(Number(number));
  return { files: version?.files ?? new FileTree<never>(), path: rest.join("/") };
}

function filesAt(state: TrackingState, path: string): StoredFiles {
  const own = versionFiles(state, path);
  const { files, path: within } = own ?? { files: state.files, path };
  const only = within === "" ? null : files.get(within);
  if (only !== null) return { [within.split("/").at(-1) ?? ""]: only };
  return files.below(within);
}

/** Where among the artifacts here a source stands; null: it does not. */
function pathOf(state: TrackingState, source: string): string | null {
  const [, scheme = "", rest = ""] = /^([a-z-]+):\/*(.*?)\/*$/.exec(source) ?? [];
  if (scheme === "mlflow-artifacts") return rest;
  const [first = "", second = "", ...below] = rest.split("/");
  if (scheme === "runs") {
    const run = state.runs.get(first);
    return run === undefined ? null : [runArtifacts(run), second, ...below].join("/");
  }
  if (scheme !== "models") return null;
  const logged = state.loggedModels.get(first);
  if (logged !== undefined) return loggedModelArtifacts(logged);
  const version = state.registeredModels.get(first)?.versions.get(Number(second));
  return version === undefined ? null : `models/${first}/${second}`;
}
