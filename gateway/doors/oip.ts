import { z } from "zod";
import type { Predictions } from "../../runtime/predict/predictions.ts";
import type { RawAnswer } from "../../runtime/predict/raw-models.ts";
import type { ErrorBody } from "../answers.ts";
import { type Answer, type Door, door } from "../door.ts";
import { inferBody, onlyOutput, readInfer } from "../oip/infer-request.ts";
import {
  extensions,
  isReady,
  knownVersions,
  metadataOf,
  refuseChange,
  repositoryIndex,
  statisticsOf,
} from "../oip/models-told.ts";
import { doubleBytes } from "../oip/tensors.ts";
import { readBody, shaped } from "../read-request.ts";

/** Errors as clients of the protocol read them, with ours beside. */
const errorBody = ({ code, message, where }: ErrorBody) => ({ error: message, code, where });

const usual = { takes: "none", scope: "predict", errorBody, errors: [] } as const;
const ofModel = { ...usual, errors: ["MODEL_UNKNOWN", "MODEL_VERSION_UNKNOWN"] } as const;
const parts = { model: "name of a model, as in scoredBy", version: "one of its versions" };

const tensorFacts = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number()).describe("-1: any number of rows."),
});
const metadata = z.object({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensorFacts),
  outputs: z.array(tensorFacts),
  parameters: z.record(z.string(), z.string()),
});
const inferAnswer = z.object({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(z.record(z.string(), z.unknown())),
});
const anyObject = z.record(z.string(), z.unknown());

/** The Open Inference Protocol, version 2, over HTTP: models as such, for any of its clients. */
export function oipDoors(
  predictions: Predictions,
  version: string,
  waitingFor: () => readonly string[],
): readonly Door[] {
  return [
    ...serverDoors(version, waitingFor),
    ...["/v2/models/:model", "/v2/models/:model/versions/:version"].flatMap((path) =>
      modelDoors(predictions, path),
    ),
    ...repositoryDoors(predictions),
  ];
}

function serverDoors(version: string, waitingFor: () => readonly string[]): Door[] {
  const server = { ...usual, method: "GET" } as const;
  return [
    door({
      ...server,
      path: "/v2",
      title: "The server, to clients of the Open Inference Protocol",
      about: "Its name, version and extensions.",
      answers: { status: 200, schema: anyObject },
      handle: () => ({ body: { name: "millrace", version, extensions } }),
    }),
    door({
      ...server,
      ...{ path: "/v2/health/live", scope: null, title: "Whether the server answers", about: "" },
      answers: { status: 200, schema: z.object({ live: z.boolean() }) },
      handle: () => ({ body: { live: true } }),
    }),
    door({
      ...server,
      ...{ path: "/v2/health/ready", scope: null, title: "Whether models can be asked" },
      about: "503: a server is away, or the end is near.",
      answers: { status: 200, schema: z.object({ ready: z.boolean() }) },
      handle: () => {
        const ready = waitingFor().length === 0;
        return { status: ready ? 200 : 503, body: { ready } };
      },
    }),
  ];
}

function modelDoors(predictions: Predictions, path: string): Door[] {
  const isVersioned = path.includes(":version");
  const of = isVersioned ? "a version of a model" : "the champion of a model";
  const own = { model: parts.model, ...(isVersioned && { version: parts.version }) };
  return [
    door({
      ...{ ...ofModel, method: "GET", path, title: `What ${of} takes and gives`, parts: own },
      about: "One input of whole vectors; an input for each feature does it, too.",
      answers: { status: 200, schema: metadata },
      handle: async ({ path: { model = "", version } }) => {
        const found = predictions.model(model);
        return { body: metadataOf(found, await knownVersions(found, version)) };
      },
    }),
    door({
      ...{ ...ofModel, method: "GET", path: `${path}/ready`, title: `Whether ${of} can be asked` },
      ...{ parts: own, about: "503: there is no champion." },
      answers: { status: 200, schema: z.object({ name: z.string(), ready: z.boolean() }) },
      handle: async ({ path: { model = "", version } }) => {
        const found = predictions.model(model);
        const ready = await isReady(found, version);
        return { status: ready ? 200 : 503, body: { name: model, ready } };
      },
    }),
    door({
      ...{ ...ofModel, method: "GET", path: `${path}/stats`, title: `How often ${of} was asked` },
      ...{ parts: own, about: "Since this gateway began." },
      answers: { status: 200, schema: anyObject },
      handle: async ({ path: { model = "", version } }) => {
        return { body: { model_stats: await statisticsOf(predictions, model, version) } };
      },
    }),
    door({
      ...{ method: "POST", path: `${path}/infer`, scope: "predict", errorBody, parts: own },
      title: `Ask ${of}`,
      about:
        "Rows of features in, probabilities out, without features of ours and without a fallback. JSON, or binary tensors behind it; gzip and deflate are taken.",
      takes: "bytes",
      body: inferBody,
      headers: { "Inference-Header-Content-Length": "Bytes of JSON in front of binary tensors." },
      answers: { status: 200, schema: inferAnswer },
      errors: [...ofModel.errors, "MODEL_FAILED", "PREDICTION_LATE"],
      handle: async ({ path: { model = "", version = null }, body, headers, caller }) => {
        const found = predictions.model(model);
        const asked = readInfer(body as unknown as Buffer, headers, found.features);
        const { vectors, deadlineMs, lane } = asked;
        const answer = await found.infer(version, vectors, deadlineMs, lane, caller);
        return inferred(model, answer, asked.id, asked.isBinary);
      },
    }),
  ];
}

function repositoryDoors(predictions: Predictions): Door[] {
  const repository = { ...ofModel, method: "POST", takes: "bytes" } as const;
  const index = z.object({ ready: z.boolean().optional() });
  return [
    door({
      ...{
        ...usual,
        method: "GET",
        path: "/v2/models/stats",
        title: "How often models were asked",
      },
      about: "All of them, since this gateway began.",
      answers: { status: 200, schema: anyObject },
      handle: async () => ({
        body: { model_stats: await statisticsOf(predictions, null, undefined) },
      }),
    }),
    door({
      ...{ ...repository, path: "/v2/repository/index", title: "All versions of all models" },
      about: "READY: it answers when nobody names a version. Others are AVAILABLE by theirs.",
      body: index,
      answers: { status: 200, schema: z.array(z.record(z.string(), z.string())) },
      handle: async ({ body }) => {
        const bytes = body as unknown as Buffer;
        const given = bytes.length === 0 ? {} : readBody("value", "application/json", bytes);
        const { ready = false } = shaped(index, given, "body");
        return { body: await repositoryIndex(predictions, ready) };
      },
    }),
    ...["load", "unload"].map((verb) =>
      door({
        ...{
          ...repository,
          path: `/v2/repository/models/:model/${verb}`,
          parts: { model: parts.model },
        },
        ...{ title: `Not here: ${verb} a model`, about: "Models are registered: millrace models." },
        answers: { status: 200, schema: anyObject },
        handle: ({ path: { model = "" } }) => refuseChange(predictions, model, verb, "path"),
      }),
    ),
  ];
}

function inferred(
  model: string,
  { version, probabilities }: RawAnswer,
  id: string | null,
  isBinary: boolean,
): Answer {
  const [name, datatype, shape] = [onlyOutput, "FP64", [probabilities.length, 1]];
  const told = (output: object) => ({
    model_name: model,
    model_version: version,
    // JSON leaves it out.
    id: id ?? undefined,
    outputs: [output],
  });
  if (!isBinary) return { body: told({ name, datatype, shape, data: [...probabilities] }) };
  const bytes = doubleBytes(probabilities);
  const parameters = { binary_data_size: bytes.length };
  const json = Buffer.from(JSON.stringify(told({ name, datatype, shape, parameters })));
  return {
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(json.length),
    },
    body: Buffer.concat([json, bytes]),
  };
}
