import { activeRun, type Handlers, invalid, loggedModelOf, unknown } from "./handler.ts";
import type { TrackingState } from "./tracking-state.ts";

/** Files of runs and of logged models. */
export const artifacts: Handlers<"artifact.put" | "artifact.delete"> = {
  "artifact.put": (state, { path, file }) => {
    checkPath(path);
    checkOwner(state, path);
    if (!state.files.admits(path)) invalid(`${path}: a folder and a file cannot have one name`);
    return () => state.files.put(path, file);
  },
  "artifact.delete": (state, { path }) => {
    checkPath(path);
    checkOwner(state, path);
    const isThere = state.files.get(path) !== null || state.files.list(path).length > 0;
    if (!isThere) unknown("artifact", path);
    return () => void state.files.delete(path);
  },
};

/** Longest path of an artifact, in characters; deepest one, in parts. */
const pathMost = 1_000;
const partsMost = 64;

/** @throws {MillraceError} TRACKING_INVALID for a path that leads anywhere but down. */
export function checkPath(path: string): void {
  const parts = path.split("/");
  const isWrong = (part: string) =>
    part === "" || part === "." || part === ".." || /[\\\p{Cc}]/u.test(part);
  if (path.length > pathMost || parts.length > partsMost || parts.some(isWrong)) {
    invalid(
      `the artifact path ${JSON.stringify(path.slice(0, 200))} has to be names parted by slashes, ` +
        `without . and .., at most ${pathMost} characters`,
    );
  }
}

/** An artifact belongs to a run or to a logged model, as their artifact URIs say. */
function checkOwner(state: TrackingState, path: string): void {
  const [experiment, owner = "", third, fourth, ...rest] = path.split("/");
  if (owner === "models" && fourth === "artifacts" && rest.length > 0) {
    const model = loggedModelOf(state, third ?? "");
    if (model.experiment === experiment) return;
  } else if (third === "artifacts" && fourth !== undefined) {
    const run = activeRun(state, owner);
    if (run.experiment === experiment) return;
  }
  invalid(
    `${path.slice(0, 200)} belongs to no run and no logged model: log artifacts to those, as their artifact URI says`,
  );
}
