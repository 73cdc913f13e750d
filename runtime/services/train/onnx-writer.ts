/** Element types of ONNX tensors that are written here (TensorProto.DataType). */
export const onnxTypes = { float: 1, int64: 7, double: 11 } as const;

export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | Float64Array | BigInt64Array;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole-number attributes, e.g. `axis`. */
  readonly attributes?: Readonly<Record<string, number>>;
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
const attributeTypeInt = 2;

/**
 * Bytes of an ONNX model (protobuf): equal graphs give equal bytes, there is no time or host in
 * them.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function encodeOnnx(graph: OnnxGraph): Buffer {
  const encodedGraph = [
    ...graph.nodes.map((node) => message(1, encodeNode(node))),
    text(2, graph.name),
    ...graph.initializers.map((tensor) => message(5, encodeTensor(tensor))),
    message(11, valueInfo(graph.input)),
    message(12, valueInfo(graph.output)),
  ];
  return Buffer.concat([
    integer(1, irVersion),
    text(2, "millrace"),
    message(7, encodedGraph),
    message(8, [text(1, ""), integer(2, opset)]),
  ]);
}

function encodeNode({ op, inputs, outputs, attributes = {} }: OnnxNode): Buffer[] {
  return [
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(3, `${op}_${outputs[0]}`),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      message(5, [text(1, name), integer(3, value), integer(20, attributeTypeInt)]),
    ),
  ];
}

function encodeTensor({ name, dims, data }: OnnxTensor): Buffer[] {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return [
    ...dims.map((dim) => integer(1, dim)),
    integer(2, typeOf(data)),
    text(8, name),
    Buffer.concat([tag(9, 2), varint(raw.length), raw]),
  ];
}

function typeOf(data: OnnxTensor["data"]): number {
  if (data instanceof Float32Array) return onnxTypes.float;
  return data instanceof Float64Array ? onnxTypes.double : onnxTypes.int64;
}

function valueInfo({ name, type, dims }: OnnxValue): Buffer[] {
  const shape = dims.map((dim) =>
    message(1, [typeof dim === "string" ? text(2, dim) : integer(1, dim)]),
  );
  return [text(1, name), message(2, [message(1, [integer(1, type), message(2, shape)])])];
}

function message(field: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([tag(field, 2), varint(body.length), body]);
}

function text(field: number, value: string): Buffer {
  return message(field, [Buffer.from(value, "utf8")]);
}

function integer(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

/** Base-128 little endian; 0 ≤ value < 2^53. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
