import { wireBytes, wireNumber } from "../../../processors/scoring/onnx/wire.ts";

/** Element types of ONNX tensors (TensorProto.DataType). */
const types = { int64: 7, bool: 9, double: 11 } as const;
/** Of attributes (AttributeProto.AttributeType). */
const attributeTypes = { int: 2, graph: 5 } as const;

interface Value {
  readonly name: string;
  readonly type: number;
  /** A text is a dimension of any size. */
  readonly dims: readonly (number | string)[];
}

interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Whole numbers, and graphs as bytes. */
  readonly attributes?: Readonly<Record<string, number | readonly Buffer[]>>;
}

/** Which rows a hanging model hangs at, and what it answers. */
export interface Hanging {
  /** Of its vector. */
  readonly features: number;
  /** Index of the feature that it answers, from 0 to 1; missing: a half. @default the first */
  readonly answer?: number;
  /** Index of the feature that it hangs at where that is larger than `above`. @default the last */
  readonly at?: number;
  /** @default 0 */
  readonly above?: number;
}

/**
 * A model that passes every check and hangs at certain rows: a loop of nothing goes around 10^15
 * times a unit of what a feature has above a limit, which takes longer than anybody waits.
 */
export function hangingModel({ features, answer = 0, at = features - 1, above = 0 }: Hanging) {
  const rows: Value = { name: "features", type: types.double, dims: ["N", features] };
  const probability: Value = { name: "probability", type: types.double, dims: ["N"] };
  const scalar = (name: string, type: number): Value => ({ name, type, dims: [] });
  const body = graph("body", {
    nodes: [
      { op: "Identity", inputs: ["on"], outputs: ["still"] },
      { op: "Sub", inputs: ["before", "before"], outputs: ["after"] },
    ],
    inputs: [
      ...[scalar("round", types.int64), scalar("on", types.bool)],
      scalar("before", types.double),
    ],
    outputs: [scalar("still", types.bool), scalar("after", types.double)],
  });
  const nodes: Node[] = [
    { op: "Gather", inputs: ["features", "at"], outputs: ["asked"], attributes: { axis: 1 } },
    { op: "IsNaN", inputs: ["asked"], outputs: ["missing"] },
    { op: "Where", inputs: ["missing", "above", "asked"], outputs: ["given"] },
    { op: "ReduceMax", inputs: ["given"], outputs: ["most"], attributes: { keepdims: 0 } },
    { op: "Sub", inputs: ["most", "above"], outputs: ["beyond"] },
    { op: "Mul", inputs: ["beyond", "many"], outputs: ["times"] },
    { op: "Max", inputs: ["times", "zero"], outputs: ["counted"] },
    { op: "Cast", inputs: ["counted"], outputs: ["rounds"], attributes: { to: types.int64 } },
    {
      ...{ op: "Loop", inputs: ["rounds", "goes", "zero"], outputs: ["nothing"] },
      attributes: { body },
    },
    { op: "Gather", inputs: ["features", "answer"], outputs: ["found"], attributes: { axis: 1 } },
    { op: "IsNaN", inputs: ["found"], outputs: ["lacking"] },
    { op: "Where", inputs: ["lacking", "half", "found"], outputs: ["score"] },
    { op: "Add", inputs: ["score", "nothing"], outputs: ["sum"] },
    { op: "Reshape", inputs: ["sum", "flat"], outputs: ["probability"] },
  ];
  const double = (name: string, value: number) =>
    tensor(name, types.double, [], Float64Array.of(value));
  const initializers = [
    tensor("at", types.int64, [1], BigInt64Array.of(BigInt(at))),
    tensor("answer", types.int64, [1], BigInt64Array.of(BigInt(answer))),
    tensor("flat", types.int64, [1], BigInt64Array.of(-1n)),
    ...[double("zero", 0), double("half", 0.5), double("many", 1e15), double("above", above)],
    tensor("goes", types.bool, [], Uint8Array.of(1)),
  ];
  return Buffer.concat([
    wireNumber(1, 8),
    wireBytes(7, graph("hanging", { nodes, initializers, inputs: [rows], outputs: [probability] })),
    wireBytes(8, [wireBytes(1, ""), wireNumber(2, 17)]),
  ]);
}

function graph(
  name: string,
  of: {
    readonly nodes: readonly Node[];
    readonly initializers?: readonly (readonly Buffer[])[];
    readonly inputs: readonly Value[];
    readonly outputs: readonly Value[];
  },
): Buffer[] {
  return [
    ...of.nodes.map((node) => wireBytes(1, encodeNode(node))),
    wireBytes(2, name),
    ...(of.initializers ?? []).map((each) => wireBytes(5, [...each])),
    ...of.inputs.map((value) => wireBytes(11, valueInfo(value))),
    ...of.outputs.map((value) => wireBytes(12, valueInfo(value))),
  ];
}

function encodeNode({ op, inputs, outputs, attributes = {} }: Node): Buffer[] {
  return [
    ...inputs.map((name) => wireBytes(1, name)),
    ...outputs.map((name) => wireBytes(2, name)),
    wireBytes(3, `${op}_${outputs[0]}`),
    wireBytes(4, op),
    ...Object.entries(attributes).map(([name, value]) =>
      typeof value === "number"
        ? wireBytes(5, [
            ...[wireBytes(1, name), wireNumber(3, value)],
            wireNumber(20, attributeTypes.int),
          ])
        : wireBytes(5, [
            ...[wireBytes(1, name), wireBytes(6, [...value])],
            wireNumber(20, attributeTypes.graph),
          ]),
    ),
  ];
}

function tensor(
  name: string,
  type: number,
  dims: readonly number[],
  data: BigInt64Array | Float64Array | Uint8Array,
): Buffer[] {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return [
    ...dims.map((dim) => wireNumber(1, dim)),
    ...[wireNumber(2, type), wireBytes(8, name), wireBytes(9, [raw])],
  ];
}

function valueInfo({ name, type, dims }: Value): Buffer[] {
  const shape = dims.map((dim) =>
    wireBytes(1, [typeof dim === "string" ? wireBytes(2, dim) : wireNumber(1, dim)]),
  );
  return [
    wireBytes(1, name),
    wireBytes(2, [wireBytes(1, [wireNumber(1, type), wireBytes(2, shape)])]),
  ];
}
