import { z } from "zod";
import { type Lane, lanes } from "../../runtime/predict/row-queue.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Headers } from "../keys/access.ts";
import { invalid, readBody, shaped } from "../read-request.ts";
import { binaryValues, jsonValues, type Tensor } from "./tensors.ts";

/** Name of the one input with whole vectors, and of the output. */
export const wholeInput = "features";
export const onlyOutput = "probability";

/** The header that says where the JSON ends, and tensors begin. */
export const jsonLengthHeader = "inference-header-content-length";

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const input = z.object({
  name: z.string(),
  shape: z.array(z.number().int().min(0)).min(1).max(2),
  datatype: z.string(),
  parameters: parameters.optional(),
  data: z.unknown().optional(),
});

/** The JSON of a request. */
export const inferBody = z.object({
  id: z.string().max(1_000).optional(),
  parameters: parameters.optional(),
  inputs: z.array(input).min(1).max(10_000),
  outputs: z.array(z.object({ name: z.string(), parameters: parameters.optional() })).optional(),
});

/** What a model is asked. */
export interface InferRequest {
  readonly id: string | null;
  /** Row-major, NaN where missing. */
  readonly vectors: Float64Array;
  /** Whether the answer is to be in bytes. */
  readonly isBinary: boolean;
  /** Null: however long it takes. */
  readonly deadlineMs: number | null;
  /** Who goes first. */
  readonly lane: Lane;
}

/**
 * Reads a request for a model whose vector has these features: one tensor `features` of whole
 * vectors, or one for each feature.
 *
 * @throws {MillraceError} REQUEST_INVALID.
 */
export function readInfer(
  body: Buffer,
  headers: Headers,
  features: readonly string[],
): InferRequest {
  const length = jsonLength(headers, body);
  if (length === 0) {
    // The bytes are a vector, and nothing is said of them.
    const vectors = binaryValues(body, [1, features.length], "FP64", "body");
    return { id: null, vectors, isBinary: true, deadlineMs: null, lane: "normal" };
  }
  const json = length === null ? body : body.subarray(0, length);
  const request = shaped(inferBody, readBody("value", "application/json", json), "body");
  const tensors = readTensors(request.inputs, body.subarray(json.length));
  const { outputs = [], parameters: how = {} } = request;
  refuseOutputs(outputs, "body.outputs");
  const [asked = {}] = outputs.map((each) => each.parameters ?? {});
  return {
    id: request.id ?? null,
    vectors: vectorsOf(tensors, features, "body.inputs"),
    isBinary: (asked["binary_data"] ?? how["binary_data_output"]) === true,
    deadlineMs: deadlineOf(how["timeout"], "body.parameters.timeout"),
    lane: laneOf(how["priority"], "body.parameters.priority"),
  };
}

/** Bytes of the JSON; null: the body is nothing else. */
function jsonLength(headers: Headers, body: Buffer): number | null {
  const given = headers[jsonLengthHeader];
  if (given === undefined) return null;
  const where = `headers.${jsonLengthHeader}`;
  if (typeof given !== "string" || !/^\d{1,10}$/.test(given))
    return invalid(where, "it is no length");
  const length = Number(given);
  if (length > body.length)
    invalid(where, `it is ${length}, and the body has ${body.length} bytes`);
  return length;
}

export type Parameter = string | number | boolean;

/** Refuses outputs that are not there. @param where - they stand, for messages. */
export function refuseOutputs(
  outputs: readonly { name: string; parameters?: Record<string, Parameter> | undefined }[],
  where: string,
): void {
  for (const [index, { name, parameters: own = {} }] of outputs.entries()) {
    if (name !== onlyOutput) {
      const near = nearest(name.slice(0, 100), [onlyOutput]);
      const shown = JSON.stringify(name.slice(0, 100));
      invalid(`${where}[${index}]`, `there is no output ${shown}${near}: ask for ${onlyOutput}`);
    }
    if (own["classification"] !== undefined) {
      invalid(`${where}[${index}]`, "classification is not known here");
    }
  }
}

/** A deadline of the protocol: µs. */
export function deadlineOf(timeout: Parameter | undefined, where: string): number | null {
  if (timeout === undefined || timeout === 0) return null;
  if (typeof timeout === "number" && timeout > 0 && timeout <= 6e8) return timeout / 1_000;
  return invalid(where, "write µs, up to 600000000");
}

/** A priority of the protocol: 1 is the highest, 0 that of who says nothing. */
export function laneOf(priority: Parameter | undefined, where: string): Lane {
  if (priority === undefined || priority === 0) return "normal";
  const lane = typeof priority === "number" ? lanes[priority - 1] : undefined;
  return lane ?? invalid(where, `write 1 to ${lanes.length}, 1 goes first, or 0 for 2`);
}

/** Tensors of JSON, and those whose bytes follow it in their order. */
function readTensors(inputs: readonly z.infer<typeof input>[], behind: Buffer): Tensor[] {
  let at = 0;
  const tensors = inputs.map(({ name, shape, datatype, data, parameters: own = {} }, index) => {
    const where = `body.inputs[${index}]`;
    const size = own["binary_data_size"];
    if (size === undefined) {
      return { name, shape, values: jsonValues(data, shape, datatype, where) };
    }
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
      return invalid(`${where}.parameters.binary_data_size`, "it is no number of bytes");
    }
    if (data !== undefined) invalid(where, "it has data and binary_data_size");
    if (at + size > behind.length) {
      invalid(where, `it has ${size} bytes, and ${behind.length - at} are left behind the JSON`);
    }
    const bytes = behind.subarray(at, at + size);
    at += size;
    return { name, shape, values: binaryValues(bytes, shape, datatype, where) };
  });
  if (at < behind.length) {
    invalid("body", `${behind.length - at} bytes behind the JSON belong to no input`);
  }
  return tensors;
}

/**
 * Vectors of a model, row-major, of one tensor of whole vectors, or of one for each feature.
 *
 * @param inputs - where they stand, for messages.
 * @throws {MillraceError} REQUEST_INVALID.
 */
export function vectorsOf(
  tensors: readonly Tensor[],
  features: readonly string[],
  inputs: string,
): Float64Array {
  const width = features.length;
  const [first] = tensors as readonly [Tensor, ...Tensor[]];
  if (tensors.length === 1 && first.name === wholeInput && !features.includes(wholeInput)) {
    const [rows = 0, columns = 1] = first.shape;
    if (first.shape.length !== 2 || columns !== width || rows < 1) {
      invalid(`${inputs}[0].shape`, `it is [${first.shape}]: send [rows, ${width}]`);
    }
    return first.values;
  }
  const byName = new Map<string, Tensor>();
  for (const [index, tensor] of tensors.entries()) {
    const { name, shape, values } = tensor;
    const where = `${inputs}[${index}]`;
    if (!features.includes(name)) {
      const near = nearest(name.slice(0, 100), [wholeInput, ...features]);
      invalid(where, `there is no input ${JSON.stringify(name.slice(0, 100))}${near}`);
    }
    if (byName.has(name)) invalid(where, "it is there twice");
    if (values.length !== shape[0] || values.length !== first.shape[0] || values.length === 0) {
      invalid(`${where}.shape`, `it is [${shape}]: send [rows, 1], with as many as the others`);
    }
    byName.set(name, tensor);
  }
  const missing = features.find((name) => !byName.has(name));
  if (missing !== undefined) {
    invalid(inputs, `${missing} is missing: send ${wholeInput}, or an input for each feature`);
  }
  const rows = first.values.length;
  const vectors = new Float64Array(rows * width);
  for (const [column, name] of features.entries()) {
    const { values } = byName.get(name) as Tensor;
    for (let row = 0; row < rows; row++) vectors[row * width + column] = values[row] as number;
  }
  return vectors;
}
