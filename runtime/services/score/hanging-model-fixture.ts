import {
  encodeOnnx,
  type OnnxInnerGraph,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  onnxTypes as types,
} from "../train/onnx-writer.ts";

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
  const rows: OnnxValue = { name: "features", type: types.double, dims: ["N", features] };
  const probability: OnnxValue = { name: "probability", type: types.double, dims: ["N"] };
  const scalar = (name: string, type: number): OnnxValue => ({ name, type, dims: [] });
  const body: OnnxInnerGraph = {
    name: "body",
    nodes: [
      { op: "Identity", inputs: ["on"], outputs: ["still"] },
      { op: "Sub", inputs: ["before", "before"], outputs: ["after"] },
    ],
    inputs: [
      ...[scalar("round", types.int64), scalar("on", types.bool)],
      scalar("before", types.double),
    ],
    outputs: [scalar("still", types.bool), scalar("after", types.double)],
    initializers: [],
  };
  const nodes: OnnxNode[] = [
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
  const scalars = { zero: 0, half: 0.5, many: 1e15, above };
  const initializers: OnnxTensor[] = [
    { name: "at", dims: [1], data: BigInt64Array.of(BigInt(at)) },
    { name: "answer", dims: [1], data: BigInt64Array.of(BigInt(answer)) },
    { name: "flat", dims: [1], data: BigInt64Array.of(-1n) },
    ...Object.entries(scalars).map(([name, value]) => {
      return { name, dims: [], data: Float64Array.of(value) };
    }),
    { name: "goes", dims: [], data: Uint8Array.of(1) },
  ];
  return encodeOnnx({ name: "hanging", nodes, initializers, input: rows, output: probability });
}
