import { invalid } from "../read-request.ts";
import {
  deadlineOf,
  type InferRequest,
  laneOf,
  type Parameter,
  refuseOutputs,
  vectorsOf,
} from "./infer-request.ts";
import { binaryValues, datatypeOf, sizeOf, type Tensor } from "./tensors.ts";

type ParameterMessage = Readonly<Record<string, Parameter>> & {
  /** Which of the fields it has. */
  readonly parameter_choice?: string;
};
type Parameters = Readonly<Record<string, ParameterMessage>>;

/** ModelInferRequest, as the definition gives it: every list is there, numbers are doubles. */
export interface InferMessage {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Parameters;
  readonly inputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly number[];
    readonly contents: Readonly<Record<string, readonly unknown[]>> | null;
  }[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw_input_contents: readonly Buffer[];
}

/** Fields of the contents by the datatypes that they hold. */
const fields: Readonly<Record<string, string>> = {
  BOOL: "bool_contents",
  ...{ INT8: "int_contents", INT16: "int_contents", INT32: "int_contents" },
  INT64: "int64_contents",
  ...{ UINT8: "uint_contents", UINT16: "uint_contents", UINT32: "uint_contents" },
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
};

/** As of JSON: no more than a request of features has. */
const inputsMost = 10_000;

/**
 * Reads a message for a model whose vector has these features; it is answered in bytes where it
 * came in bytes.
 *
 * @throws {MillraceError} REQUEST_INVALID.
 */
export function readInferMessage(message: InferMessage, features: readonly string[]): InferRequest {
  const { inputs, outputs, parameters, id, raw_input_contents: raw } = message;
  if (inputs.length === 0 || inputs.length > inputsMost) {
    invalid("inputs", `there are ${inputs.length}: send 1 to ${inputsMost}`);
  }
  const isBinary = raw.length > 0;
  if (isBinary && raw.length !== inputs.length) {
    invalid("raw_input_contents", `there are ${raw.length}, and ${inputs.length} inputs`);
  }
  const tensors = inputs.map((input, index): Tensor => {
    const where = `inputs[${index}]`;
    const { name, shape } = input;
    const isShape = shape.length === 1 || shape.length === 2;
    if (!isShape || shape.some((each) => !Number.isSafeInteger(each) || each < 0)) {
      invalid(`${where}.shape`, `it is [${shape.slice(0, 8)}]: send [rows, columns]`);
    }
    const bytes = raw[index];
    if (bytes === undefined) return { name, shape, values: typedValues(input, where) };
    if (input.contents !== null) invalid(where, "it has contents and raw_input_contents");
    return { name, shape, values: binaryValues(bytes, shape, input.datatype, where) };
  });
  refuseOutputs(
    outputs.map(({ name, parameters: own }) => ({ name, parameters: plain(own) })),
    "outputs",
  );
  const how = plain(parameters);
  return {
    id: id === "" ? null : id,
    vectors: vectorsOf(tensors, features, "inputs"),
    isBinary,
    deadlineMs: deadlineOf(how["timeout"], "parameters.timeout"),
    lane: laneOf(how["priority"], "parameters.priority"),
  };
}

function typedValues(
  { shape, datatype, contents }: InferMessage["inputs"][number],
  where: string,
): Float64Array {
  datatypeOf(datatype, `${where}.datatype`);
  const size = sizeOf(shape, `${where}.shape`);
  const field = fields[datatype];
  if (field === undefined) {
    return invalid(where, `${datatype} has no contents: send it in raw_input_contents`);
  }
  const values = contents?.[field] ?? [];
  if (values.length !== size) {
    invalid(`${where}.contents.${field}`, `it has ${values.length} values, and its shape ${size}`);
  }
  return Float64Array.from(values, Number);
}

function plain(parameters: Parameters): Record<string, Parameter> {
  const entries = Object.entries(parameters).flatMap(([name, message]) => {
    const { parameter_choice: choice } = message;
    const value = choice === undefined ? undefined : message[choice];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}
