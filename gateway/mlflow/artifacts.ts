import { z } from "zod";
import {
  artifactScheme,
  runArtifacts,
  type TrackingState,
} from "../../runtime/tracking/fold/tracking-state.ts";
import { versionFiles } from "../../runtime/tracking/source-files.ts";
import type { Tracking } from "../../runtime/tracking/tracking.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type Call, type Door, door } from "../door.ts";
import { callerOf, mlflowDoor, mlflowError, text } from "./mlflow-door.ts";
import { knownRun } from "./runs.ts";

/** Of one file, bytes: a model may have as many. */
export const artifactBytesMost = 64 * 2 ** 20;

/** What a file or folder is for a client, by its path below a root. */
export interface FileInfo {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

/** What stands in a folder below a root; of a file it is that itself, as MLflow's server has it. */
export function filesIn(state: TrackingState, root: string, folder: string): FileInfo[] {
  const asked = folder.split("/").filter((part) => part !== "");
  const whole = [root, ...asked].join("/");
  const { files, path } = versionFiles(state, whole) ?? { files: state.files, path: whole };
  return files.list(path).map(({ name, file }) => ({
    path: [...asked, name].join("/"),
    is_dir: file === null,
    ...(file === null ? {} : { file_size: file.sizeBytes }),
  }));
}

const base = "/api/2.0/mlflow-artifacts/artifacts";
const usual = {
  errorBody: mlflowError,
  errors: ["TRACKING_INVALID", "TRACKING_UNKNOWN", "TRACKING_CLOSED", "ARTIFACTS_UNREACHABLE"],
  parts: { "*": "Path of the artifact, as artifact URIs of runs and logged models have it." },
} as const;

/** Artifacts, which clients send to the gateway and fetch from it: they need no other store. */
export function artifactDoors(tracking: Tracking): readonly Door[] {
  return [...lookingDoors(tracking), ...changingDoors(tracking)];
}

function pathOf({ rest }: Pick<Call, "rest">): string {
  return rest.join("/");
}

function lookingDoors(tracking: Tracking): readonly Door[] {
  return [
    door({
      ...{ ...usual, method: "GET", path: base, scope: "read", orScope: "registry", takes: "none" },
      ...{
        operationId: "listMlflowArtifacts",
        title: "Files in a folder of artifacts",
        about: "Their paths are told within it.",
      },
      parts: {},
      query: z.object({ path: text }),
      answers: { status: 200, schema: z.object({ files: z.array(z.unknown()) }) },
      handle: async ({ query: { path } }) => ({
        body: { files: filesIn(await tracking.state(), trimmed(path), "") },
      }),
    }),
    door({
      ...{ ...usual, method: "GET", path: `${base}/*`, scope: "read", orScope: "registry" },
      ...{ takes: "none", title: "The bytes of an artifact", about: "As they were sent." },
      answers: "application/octet-stream",
      handle: async (call) => {
        const path = pathOf(call);
        const state = await tracking.state();
        const own = versionFiles(state, path);
        const file = own === null ? state.files.get(path) : own.files.get(own.path);
        if (file === null) {
          throw new MillraceError("TRACKING_UNKNOWN", {
            what: "artifact",
            name: path.slice(0, 200),
          });
        }
        return {
          headers: {
            "content-type": "application/octet-stream",
            // What somebody has sent is shown by no browser as a page of this gateway's.
            ...{ "x-content-type-options": "nosniff", "content-disposition": "attachment" },
          },
          body: await tracking.fileBytes(file),
        };
      },
    }),
    mlflowDoor({
      ...{ method: "GET", path: "artifacts/list", reads: true, title: "Files of a run" },
      fields: { run_id: text, run_uuid: text, path: text, page_token: text },
      answer: async ({ run_id, run_uuid, path }) => {
        const state = await tracking.state();
        const root = runArtifacts(knownRun(state, run_id === "" ? run_uuid : run_id));
        return { root_uri: `${artifactScheme}/${root}`, files: filesIn(state, root, path) };
      },
    }),
  ];
}

function trimmed(path: string): string {
  return path.replace(/^\/+|\/+$/g, "");
}

function changingDoors(tracking: Tracking): readonly Door[] {
  const changing = { ...usual, scope: "registry", path: `${base}/*` } as const;
  return [
    door({
      ...{ ...changing, method: "PUT", takes: "bytes", title: "Keep the bytes of an artifact" },
      about: `At most ${artifactBytesMost} bytes, of a run or a logged model that there is. They stand in the artifact store of the topology under their sha256.`,
      ...{ bodyBytes: artifactBytesMost, requestMs: 120_000 },
      errors: [...usual.errors, "TRACKING_FULL"],
      answers: { status: 200, schema: z.object({}) },
      handle: async (call) => {
        const { by } = callerOf(call);
        await tracking.putFile(pathOf(call), call.body as Buffer, by);
        return { body: {} };
      },
    }),
    door({
      ...{
        ...changing,
        method: "DELETE",
        takes: "bytes",
        title: "Remove an artifact, or a folder",
      },
      about: "Versions that were made of it keep their files.",
      answers: { status: 200, schema: z.object({}) },
      handle: async (call) => {
        await tracking.write("artifact.delete", callerOf(call).by, { path: pathOf(call) });
        return { body: {} };
      },
    }),
  ];
}
