import { wireBytes, wireNumber } from "../../../processors/scoring/onnx/wire.ts";

/** Element types of ONNX tensors that are written here (TensorProto.DataType). */
export const onnxTypes = { float: 1, int64: 7, bool: 9, double: 11 } as const;

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  /** Bytes are truth values, 0 or 1. */
  readonly data: Float32Array | Float64Array | BigInt64Array | Uint8Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers, e.g. `axis`, and graphs, e.g. the `body` of a loop. */
  readonly attributes?: Readonly<Record<string, number | OnnxInnerGraph>>;
}

/** A graph that a node runs. */
export interface OnnxInnerGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
}

export interface OnnxValue {
  readonly name: string;
  /** One of {@link onnxTypes}. */
  readonly type: number;
  /** A text dimension is variable. */
  readonly dims: readonly (number | string)[];
}

const irVersion = 8;
const opset = 17;
/** AttributeProto.AttributeType. */
const attributeTypes = { int: 2, graph: 5 } as const;

/**
 * Bytes of an ONNX model (protobuf): equal graphs give equal bytes, there is no time or host in
 * them.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function encodeOnnx({ input, output, ...graph }: OnnxGraph): Buffer {
  return Buffer.concat([
    wireNumber(1, irVersion),
    wireBytes(2, "millrace"),
    wireBytes(7, encodeGraph({ ...graph, inputs: [input], outputs: [output] })),
    wireBytes(8, [wireBytes(1, ""), wireNumber(2, opset)]),
  ]);
}

function encodeGraph({ name, nodes, initializers, inputs, outputs }: OnnxInnerGraph): Buffer[] {
  return [
    ...nodes.map((node) => wireBytes(1, encodeNode(node))),
    wireBytes(2, name),
    ...initializers.map((tensor) => wireBytes(5, encodeTensor(tensor))),
    ...inputs.map((value) => wireBytes(11, valueInfo(value))),
    ...outputs.map((value) => wireBytes(12, valueInfo(value))),
  ];
}

function encodeNode({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer[] {
  return [
    ...inputs.map((name) => wireBytes(1, name)),
    ...outputs.map((name) => wireBytes(2, name)),
    wireBytes(3, `${op}_${outputs[0]}`),
    wireBytes(4, op),
    ...Object.entries(attributes).map(([name, value]) => {
      const [made, type] =
        typeof value === "number"
          ? [wireNumber(3, value), attributeTypes.int]
          : [wireBytes(6, encodeGraph(value)), attributeTypes.graph];
      return wireBytes(5, [wireBytes(1, name), made, wireNumber(20, type)]);
    }),
  ];
}

function encodeTensor({ name, dims, data }: OnnxTensor): Buffer[] {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return [
    ...dims.map((dim) => wireNumber(1, dim)),
    wireNumber(2, typeOf(data)),
    wireBytes(8, name),
    wireBytes(9, [raw]),
  ];
}

function typeOf(data: OnnxTensor["data"]): number {
  if (data instanceof Float32Array) return onnxTypes.float;
  if (data instanceof Uint8Array) return onnxTypes.bool;
  return data instanceof Float64Array ? onnxTypes.double : onnxTypes.int64;
}

function valueInfo({ name, type, dims }: OnnxValue): Buffer[] {
  const shape = dims.map((dim) =>
    wireBytes(1, [typeof dim === "string" ? wireBytes(2, dim) : wireNumber(1, dim)]),
  );
  return [
    wireBytes(1, name),
    wireBytes(2, [wireBytes(1, [wireNumber(1, type), wireBytes(2, shape)])]),
  ];
}
