import { type Cells, NotNative } from "../native/cells.ts";
import type { NotComputed } from "../native/native-model.ts";
import { buildOperator, givenCells, neededNodes, nodeInput } from "../native/native-model.ts";
import type { BuiltNode, NodeInput, Step } from "../native/operator.ts";
import type { ModelReading } from "../onnx/model-reading.ts";
import { type OnnxGraph, readOnnxGraph } from "../onnx/onnx-graph.ts";
import { cellCount, constantOrigin, movedFrom, type Origins, outputOrigins } from "./origins.ts";
import { type ExplainedBy, type ScoreCell, type ScoredPart, scoredParts } from "./scored-part.ts";

/** How far contributions may be from adding up, of the largest of them; else nothing is told. */
const tolerance = 1e-6;

/** What each feature contributes to what a model says of a row. */
export interface Explanation {
  /** What the model says where no feature is known. */
  readonly expected: number;
  /** By feature; with `expected` they add up to the margin, or to the value. */
  readonly contributions: ReadonlyMap<string, number>;
  /** The margin is what a logistic function or softmax makes the probability of. */
  readonly of: "margin" | "value";
  readonly by: ExplainedBy;
}

/** A model whose answers can be shared out over its features. For one caller at a time. */
export interface ExplainedModel {
  /** Of a row that begins at an index; says why not where it has no finite sum. */
  explain(rows: Float64Array, start: number): Explanation | NotComputed;
}

/**
 * Builds the explanation of a model, whoever scores it: everything before its trees or its linear
 * function has to take features one by one, and everything behind them one score.
 *
 * @param names - of the feature vector, in its order.
 * @returns why not, where it is not so.
 */
export function explainedModel(
  bytes: Uint8Array,
  reading: ModelReading,
  names: readonly string[],
): ExplainedModel | NotComputed {
  try {
    return build(readOnnxGraph(bytes), reading, names);
  } catch (error) {
    if (!(error instanceof NotNative)) throw error;
    return { why: error.message };
  }
}

/** What is known of the cells of a name: what features they come from, or which score they are. */
interface Known {
  readonly origins: Origins;
  readonly scores: readonly ScoreCell[] | null;
}

interface Core {
  readonly part: ScoredPart;
  readonly players: Int32Array;
}

function build(graph: OnnxGraph, reading: ModelReading, names: readonly string[]): ExplainedModel {
  if (graph.unread !== null) throw new NotNative(`it has ${graph.unread}`);
  const { cells, fills } = givenCells(graph, reading);
  const known = new Map<string, Known>();
  const players = playersOf(reading, names);
  for (const [name, own] of cells) {
    const origins = players.ofInput.get(name) ?? new Array(cellCount(own)).fill(constantOrigin);
    known.set(name, { origins, scores: null });
  }
  const steps: Step[] = [];
  let core: Core | null = null;
  for (const { node, wanted } of neededNodes(graph, reading.output.name)) {
    const { op } = node;
    const input = nodeInput(node, wanted, cells, graph.opsets.get("") ?? 0);
    const of = node.inputs.map((name) => known.get(name) ?? { origins: [], scores: null });
    const readPart = scoredParts.get(op);
    const isBehind = of.some(({ scores }) => scores !== null);
    if (readPart !== undefined && (core !== null || isBehind)) {
      throw new NotNative(`${op} follows another model: there are several`);
    }
    const built = buildOperator(op, input);
    let told: Known;
    if (readPart !== undefined) {
      const part = named(op, () => readPart(input));
      core = { part, players: Int32Array.from(of[0]?.origins ?? []) };
      told = { origins: [], scores: part.cells };
    } else if (isBehind) {
      told = { origins: [], scores: scoresBehind(op, input, built, of) };
    } else {
      const origins = of.map((each) => each.origins);
      told = { origins: outputOrigins(op, input, built, origins), scores: null };
      if (built.step !== null) steps.push(built.step);
    }
    put(node.outputs, built, cells, (name) => known.set(name, told));
  }
  const scores = known.get(reading.output.name)?.scores ?? null;
  const cell = scores?.[reading.output.column];
  if (core === null || cell === undefined) throw new NotNative("no trees or linear function score");
  const { players: columns, part } = core;
  // Columns that are the same for each row belong to nobody.
  const nobody = players.names.length;
  const sum = part.sum(
    cell.index,
    columns.map((player) => (player === constantOrigin ? nobody : player)),
  );
  const { scale, shift } = cell;
  const isMargin = cell.isMargin || reading.output.logit;
  const of = isMargin ? "margin" : "value";
  const explain: ExplainedModel["explain"] = (rows, start) => {
    for (const fill of fills) fill(rows, start);
    for (const step of steps) step();
    const shares = new Float64Array(nobody + 1);
    sum.add(shares);
    const expected = sum.expected * scale + shift + (shares[nobody] as number) * scale;
    const contributions = shares.subarray(0, nobody).map((share) => share * scale);
    const whole = sum.sum() * scale + shift;
    if (!Number.isFinite(whole)) {
      return { why: "its sum is no finite number: a value is missing, or too large" };
    }
    let [added, most] = [expected, Math.abs(expected)];
    for (const each of contributions) {
      added += each;
      most = Math.max(most, Math.abs(each));
    }
    if (!(Math.abs(added - whole) <= tolerance * Math.max(most, Math.abs(whole), 1e-300))) {
      return { why: "its contributions do not add up: its ways hold too many features" };
    }
    const told = new Map(players.names.map((name, i) => [name, contributions[i] as number]));
    return { expected, contributions: told, of, by: sum.by };
  };
  return { explain };
}

function put(
  outputs: readonly string[],
  built: BuiltNode,
  cells: Map<string, Cells>,
  tell: (name: string) => void,
): void {
  for (const [index, name] of outputs.entries()) {
    const made = built.outputs[index];
    if (name === "" || made === undefined) continue;
    cells.set(name, made);
    tell(name);
  }
}

function named<T>(op: string, of: () => T): T {
  try {
    return of();
  } catch (error) {
    if (!(error instanceof NotNative)) throw error;
    throw new NotNative(`${op}: ${error.message}`);
  }
}

/** Features, and in place of those that stand for a text the text, by its input's name. */
function playersOf({ inputs }: ModelReading, names: readonly string[]) {
  const behindText = new Set(
    inputs.flatMap(({ columns, texts }) => (texts === undefined ? [] : columns)),
  );
  const plain = new Set(
    inputs.flatMap(({ columns, texts }) => (texts === undefined ? columns : [])),
  );
  const all = names.filter((_, index) => plain.has(index) || !behindText.has(index));
  const texts = inputs.flatMap(({ name, texts: of }) => (of === undefined ? [] : [name]));
  const players = [...new Set([...all, ...texts])];
  const place = new Map(players.map((name, index) => [name, index]));
  const ofInput = new Map(
    inputs.map((input): [string, number[]] => {
      const own = input.texts === undefined ? input.columns.map((at) => names[at]) : [input.name];
      return [input.name, own.map((name) => place.get(name ?? "") as number)];
    }),
  );
  return { names: players, ofInput };
}

/** Operators behind which a score is a margin. */
const functions = new Set(["Sigmoid", "Softmax"]);

/** What a node makes of scores: other places, or multiples, or a function that never falls. */
function scoresBehind(
  op: string,
  input: NodeInput,
  built: BuiltNode,
  of: readonly Known[],
): ScoreCell[] {
  const refused = () => new NotNative(`${op} behind the model is no function of one score`);
  const moved = movedFrom(op, input, built);
  if (moved !== null) {
    const all = of.flatMap(({ scores }, index) => {
      if (input.inputs[index]?.isConstant !== false) return [];
      if (scores === null) throw refused();
      return scores;
    });
    return moved.map((from) => all[from] as ScoreCell);
  }
  const [left, right] = of;
  if (op === "Cast") return [...(left?.scores ?? [])];
  if (functions.has(op)) {
    return (left?.scores ?? []).map((cell) => {
      if (cell.isMargin) throw refused();
      return { ...cell, isMargin: true };
    });
  }
  if (op === "Neg") return (left?.scores ?? []).map((cell) => affine(cell, -1, 0, refused));
  const onLeft = left?.scores != null;
  const scores = (onLeft ? left : right)?.scores ?? [];
  const constant = input.inputs[onLeft ? 1 : 0];
  if (constant == null || !constant.isConstant || input.inputs.length !== 2) throw refused();
  const [output] = built.outputs;
  return Array.from({ length: output === undefined ? 0 : cellCount(output) }, (_, i) => {
    const cell = (scores.length === 1 ? scores[0] : scores[i]) as ScoreCell;
    const by = constant.numbers[constant.numbers.length === 1 ? 0 : i] as number;
    if (op === "Add") return affine(cell, 1, by, refused);
    if (op === "Mul") return affine(cell, by, 0, refused);
    if (op === "Sub") return onLeft ? affine(cell, 1, -by, refused) : affine(cell, -1, by, refused);
    if (op === "Div" && onLeft) return affine(cell, 1 / by, 0, refused);
    throw refused();
  });
}

function affine(cell: ScoreCell, by: number, plus: number, refused: () => Error): ScoreCell {
  if (by === 1 && plus === 0) return cell;
  if (cell.isMargin) throw refused();
  return { ...cell, scale: cell.scale * by, shift: cell.shift * by + plus };
}
