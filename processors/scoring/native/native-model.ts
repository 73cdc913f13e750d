import type { ModelReading } from "../onnx/model-reading.ts";
import { type OnnxGraph, type OnnxGraphNode, readOnnxGraph } from "../onnx/onnx-graph.ts";
import { type Cells, NotNative, newCells } from "./cells.ts";
import { type BuiltNode, constantCells, type NodeInput, type Step } from "./operator.ts";
import { operators } from "./operators.ts";

/**
 * A model that is computed in JavaScript, without a native call and a row at a time: what a row
 * gets cannot depend on the rows beside it. For one caller at a time.
 */
export interface NativeModel {
  /** What a row costs, in comparisons that are branches, or multiplications. */
  readonly cost: number;
  /** Probabilities of whole rows, row-major. */
  score(rows: Float64Array): Float64Array;
}

/** Why a model is not computed here. */
export interface NotComputed {
  readonly why: string;
}

/**
 * Builds what a model's reading asks of its graph.
 *
 * @returns why not, where one node that it needs is not known here as onnxruntime computes it.
 */
export function nativeModel(bytes: Uint8Array, reading: ModelReading): NativeModel | NotComputed {
  try {
    return build(readOnnxGraph(bytes), reading);
  } catch (error) {
    if (!(error instanceof NotNative)) throw error;
    return { why: error.message };
  }
}

function build(graph: OnnxGraph, reading: ModelReading): NativeModel {
  if (graph.unread !== null) throw new NotNative(`it has ${graph.unread}`);
  const { width, output } = reading;
  const { cells, fills } = givenCells(graph, reading);
  const steps: Step[] = [];
  let cost = 0;
  for (const { node, wanted } of neededNodes(graph, output.name)) {
    const built = buildNode(node, wanted, cells, graph.opsets.get("") ?? 0);
    for (const [index, name] of node.outputs.entries()) {
      const made = built.outputs[index];
      if (name !== "" && made !== undefined) cells.set(name, made);
    }
    cost += built.cost;
    if (built.step !== null) steps.push(built.step);
  }
  const answer = cells.get(output.name);
  if (answer === undefined || answer.isConstant) throw new NotNative("it computes no output");
  const { numbers } = answer;
  if (numbers.length !== output.columns || answer.dims.length > 1) {
    throw new NotNative(`its output is [N, ${answer.dims}], not of ${output.columns} columns`);
  }
  const score = (rows: Float64Array): Float64Array => {
    const n = rows.length / width;
    const answers = new Float64Array(n);
    for (let row = 0; row < n; row++) {
      for (const fill of fills) fill(rows, row * width);
      for (const step of steps) step();
      const value = numbers[output.column] as number;
      answers[row] = output.logit ? 1 / (1 + Math.exp(-value)) : value;
    }
    return answers;
  };
  return { cost, score };
}

/** What a graph begins with: its weights, and its inputs with what fills them of a vector. */
export function givenCells(graph: OnnxGraph, { inputs }: Pick<ModelReading, "inputs">) {
  const cells = new Map<string, Cells>();
  for (const [name, constant] of graph.constants) {
    const own = constantCells(constant);
    if (own !== null) cells.set(name, own);
  }
  const fills = inputs.map((input) => {
    const row = newCells(
      input.type,
      input.flat === true ? [] : [input.texts ? 1 : input.columns.length],
    );
    cells.set(input.name, row);
    return filling(input, row);
  });
  return { cells, fills };
}

type Fill = (rows: Float64Array, start: number) => void;

/** Puts what an input takes of a feature vector into its cells. */
function filling({ columns, texts }: ModelReading["inputs"][number], row: Cells): Fill {
  if (texts !== undefined) {
    return (rows, start) => {
      const index = columns.findIndex((column) => rows[start + column] === 1);
      row.texts[0] = texts[index] ?? "";
    };
  }
  const at = Int32Array.from(columns);
  const { numbers } = row;
  return (rows, start) => {
    for (let i = 0; i < at.length; i++) numbers[i] = rows[start + (at[i] as number)] as number;
  };
}

interface NeededNode {
  readonly node: OnnxGraphNode;
  /** Indexes of its outputs that are read. */
  readonly wanted: ReadonlySet<number>;
}

/** The nodes that an output depends on, in the order of the file. */
export function neededNodes({ nodes }: OnnxGraph, output: string): NeededNode[] {
  const needed = new Set([output]);
  const found: NeededNode[] = [];
  // A node stands behind those that it depends on.
  for (const node of [...nodes].reverse()) {
    const wanted = new Set(
      node.outputs.flatMap((name, index) => (needed.has(name) ? [index] : [])),
    );
    if (wanted.size === 0) continue;
    found.push({ node, wanted });
    for (const name of node.inputs) needed.add(name);
  }
  return found.reverse();
}

function buildNode(
  node: OnnxGraphNode,
  wanted: ReadonlySet<number>,
  cells: ReadonlyMap<string, Cells>,
  opset: number,
): BuiltNode {
  return buildOperator(node.op, nodeInput(node, wanted, cells, opset));
}

/** A node with the cells that it takes. @throws {NotNative} where nothing gives them. */
export function nodeInput(
  { op, inputs: names, attributes }: OnnxGraphNode,
  wanted: ReadonlySet<number>,
  cells: ReadonlyMap<string, Cells>,
  opset: number,
): NodeInput {
  const inputs = names.map((name) => {
    if (name === "") return null;
    const found = cells.get(name);
    if (found === undefined) throw new NotNative(`${op} takes ${name}, which nothing gives`);
    return found;
  });
  return { inputs, attributes, opset, wanted };
}

/** @throws {NotNative} naming the operator, where it is not computed here. */
export function buildOperator(op: string, input: NodeInput): BuiltNode {
  const operator = operators.get(op);
  if (operator === undefined) throw new NotNative(`${op} is not computed here`);
  try {
    return operator(input);
  } catch (error) {
    if (!(error instanceof NotNative)) throw error;
    throw new NotNative(`${op}: ${error.message}`);
  }
}
