import { join } from "node:path";
import { loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Predictions } from "../../runtime/predict/predictions.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import type { GrpcCall, GrpcDoor, GrpcService } from "../grpc/open-grpc.ts";
import { type InferMessage, readInferMessage } from "./infer-message.ts";
import { onlyOutput } from "./infer-request.ts";
import {
  extensions,
  isReady,
  knownVersions,
  metadataOf,
  refuseChange,
  repositoryIndex,
  statisticsOf,
} from "./models-told.ts";
import { doubleBytes } from "./tensors.ts";

interface ModelAsked {
  readonly name: string;
  /** Empty: the champion, or all. */
  readonly version: string;
}

/** A method whose handler knows the type of its message. */
function method<Message>(handle: (message: Message) => Promise<object> | object): GrpcDoor {
  return { scope: "predict", handle };
}

/** The Open Inference Protocol, version 2, over gRPC: what `oipDoors` says over HTTP. */
export function inferenceService(
  predictions: Predictions,
  version: string,
  waitingFor: () => readonly string[],
): GrpcService {
  const doors: Record<string, GrpcDoor> = {
    ServerLive: { scope: null, handle: () => ({ live: true }) },
    ServerReady: { scope: null, handle: () => ({ ready: waitingFor().length === 0 }) },
    ServerMetadata: method(() => ({ name: "millrace", version, extensions })),
    ModelReady: method(async ({ name, version: of }: ModelAsked) => {
      return { ready: await isReady(predictions.model(name), given(of)) };
    }),
    ModelMetadata: method(async ({ name, version: of }: ModelAsked) => {
      const model = predictions.model(name);
      return metadataOf(model, await knownVersions(model, given(of)));
    }),
    ModelInfer: {
      scope: "predict",
      handle: async (message: InferMessage, call) => await infer(predictions, message, call),
    },
    ModelStatistics: method(async ({ name, version: of }: ModelAsked) => {
      return { model_stats: await statisticsOf(predictions, name === "" ? null : name, given(of)) };
    }),
    RepositoryIndex: method(async ({ ready }: { ready: boolean }) => {
      return { models: await repositoryIndex(predictions, ready) };
    }),
    RepositoryModelLoad: method(({ model_name: name }: { model_name: string }) =>
      refuseChange(predictions, name, "load", "model_name"),
    ),
    RepositoryModelUnload: method(({ model_name: name }: { model_name: string }) =>
      refuseChange(predictions, name, "unload", "model_name"),
    ),
  };
  return { definition: serviceDefinition(), doors };
}

function given(version: string): string | undefined {
  return version === "" ? undefined : version;
}

async function infer(
  predictions: Predictions,
  message: InferMessage,
  { deadlineMs: clientMs, caller }: GrpcCall,
) {
  const model = predictions.model(message.model_name);
  const { id, vectors, isBinary, deadlineMs, lane } = readInferMessage(message, model.features);
  const leastMs = Math.min(deadlineMs ?? Number.POSITIVE_INFINITY, clientMs);
  const within = Number.isFinite(leastMs) ? leastMs : null;
  const { version, probabilities } = await model.infer(
    given(message.model_version) ?? null,
    vectors,
    within,
    lane,
    caller,
  );
  const output = { name: onlyOutput, datatype: "FP64", shape: [probabilities.length, 1] };
  const { name, datatype, shape } = output;
  const contents = { fp64_contents: [...probabilities] };
  return {
    model_name: message.model_name,
    model_version: version,
    id: id ?? "",
    outputs: [isBinary ? output : { name, datatype, shape, contents }],
    raw_output_contents: isBinary ? [doubleBytes(probabilities)] : [],
  };
}

/** Numbers of 64 bits are doubles: features are, too. */
function serviceDefinition() {
  const file = join(packageRoot(), "gateway", "oip", "open_inference.proto");
  const loaded = loadPackageDefinition(
    loadSync(file, { keepCase: true, longs: Number, defaults: true, oneofs: true }),
  ) as unknown as { inference: { GRPCInferenceService: ServiceClientConstructor } };
  return loaded.inference.GRPCInferenceService.service;
}
