import { type Cells, type CellType, NotNative, newCells, reshaped, sizeOf } from "./cells.ts";
import {
  type BuiltNode,
  floatsOf,
  given,
  numberOf,
  numbersOf,
  type Operator,
  weightsOf,
} from "./operator.ts";

/** The same cells under another name or shape. */
function same(cells: Cells): BuiltNode {
  return { outputs: [cells], step: null, cost: 0 };
}

/** An operator of one row, cell by cell. */
function unary(of: (value: number) => number, type?: CellType): Operator {
  return (node) => {
    const { numbers, dims, type: own } = floatsOf(node, 0);
    const output = newCells(type ?? own, dims);
    const step = () => {
      for (let i = 0; i < numbers.length; i++) output.numbers[i] = of(numbers[i] as number);
    };
    return { outputs: [output], step, cost: numbers.length };
  };
}

/** An operator of two, which spread over each other: one of them may be the same for all rows. */
function binary(of: (left: number, right: number) => number, type?: CellType): Operator {
  return (node) => {
    const [left, right] = [given(node, 0), given(node, 1)];
    if (left.type !== right.type || left.type === "string") throw new NotNative("types differ");
    const dims = spreadDims([left, right]);
    const output = newCells(type ?? left.type, dims);
    const size = output.numbers.length;
    const [a, b] = [left.numbers, right.numbers];
    const [aStep, bStep] = [a.length === 1 ? 0 : 1, b.length === 1 ? 0 : 1];
    const step = () => {
      for (let i = 0; i < size; i++) {
        output.numbers[i] = of(a[i * aStep] as number, b[i * bStep] as number);
      }
    };
    return { outputs: [output], step, cost: size };
  };
}

/**
 * The shape of a row that several spread to: each is one cell, or as large as the largest. Weights
 * are [C], [1, C] or one cell.
 *
 * @throws {NotNative} where rows would be joined with other rows.
 */
function spreadDims(all: readonly Cells[]): readonly number[] {
  const rows = all.filter(({ isConstant }) => !isConstant);
  const rank = Math.max(...rows.map(({ dims }) => dims.length));
  if (rows.length === 0 || rank > 1) throw new NotNative("it has no rows [N] or [N, C]");
  const size = Math.max(...all.map(({ dims }) => sizeOf(dims)));
  for (const { dims, isConstant } of all) {
    const own = sizeOf(dims);
    const isRow = isConstant ? dims.length <= 2 && own === (dims.at(-1) ?? 1) : true;
    // A list [N] beside a table is spread over columns, not rows.
    if (!isConstant && dims.length !== rank) throw new NotNative("it joins [N] with [N, C]");
    if (!isRow || (own !== size && own !== 1)) throw new NotNative(`it spreads [${dims}]`);
  }
  if (rank === 0 && size > 1) throw new NotNative("it spreads [N] over columns");
  return rank === 0 ? [] : [size];
}

const where: Operator = (node) => {
  const [asked, left, right] = [given(node, 0), given(node, 1), given(node, 2)];
  const isText = left.type === "string" || left.type !== right.type;
  if (asked.type !== "bool" || isText) throw new NotNative("its types differ");
  const output = newCells(left.type, spreadDims([asked, left, right]));
  const { numbers } = output;
  const at = (cells: Cells, i: number) => cells.numbers[cells.numbers.length === 1 ? 0 : i];
  const step = () => {
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = at(at(asked, i) === 0 ? right : left, i) as number;
    }
  };
  return { outputs: [output], step, cost: numbers.length };
};

const castTypes: Readonly<Record<number, CellType>> = { 1: "float32", 11: "float64" };

/** To float or double alone. */
const cast: Operator = (node) => {
  const cells = given(node, 0);
  const type = castTypes[numberOf(node, "to", 0)];
  if (type === undefined || cells.type === "string" || cells.isConstant) {
    throw new NotNative(`it casts ${cells.type} to the type ${numberOf(node, "to", 0)}`);
  }
  if (type === cells.type) return same(cells);
  const output = newCells(type, cells.dims);
  return {
    outputs: [output],
    step: () => output.numbers.set(cells.numbers),
    cost: cells.numbers.length,
  };
};

const concat: Operator = (node) => {
  const parts = node.inputs.map((_, index) => given(node, index));
  const [first] = parts as [Cells];
  const isTable = parts.every(({ dims, type }) => dims.length === 1 && type === first.type);
  const axis = numberOf(node, "axis", 0);
  if (!isTable || (axis !== 1 && axis !== -1) || parts.some(({ isConstant }) => isConstant)) {
    throw new NotNative("it joins other than columns");
  }
  const output = newCells(first.type, [parts.reduce((sum, { dims }) => sum + sizeOf(dims), 0)]);
  const isText = first.type === "string";
  const step = () => {
    let at = 0;
    for (const { numbers, texts } of parts) {
      if (isText) for (const text of texts) output.texts[at++] = text;
      else {
        output.numbers.set(numbers, at);
        at += numbers.length;
      }
    }
  };
  return { outputs: [output], step, cost: sizeOf(output.dims) };
};

/** Some of the columns. */
function columnsOf(cells: Cells, columns: readonly number[], dims: readonly number[]): BuiltNode {
  const [width = 0] = cells.dims;
  const at = columns.map((column) => (column < 0 ? column + width : column));
  if (cells.dims.length !== 1 || cells.isConstant || at.some((i) => !(i >= 0 && i < width))) {
    throw new NotNative("it takes other than columns");
  }
  const output = newCells(cells.type, dims);
  const isText = cells.type === "string";
  const step = () => {
    for (const [i, column] of at.entries()) {
      if (isText) output.texts[i] = cells.texts[column] as string;
      else output.numbers[i] = cells.numbers[column] as number;
    }
  };
  return { outputs: [output], step, cost: at.length };
}

const gather: Operator = (node) => {
  const columns = [...weightsOf(node, 1)];
  const axis = numberOf(node, "axis", 0);
  if (axis !== 1 && axis !== -1) throw new NotNative("it gathers rows");
  const { dims } = given(node, 1);
  if (dims.length > 1) throw new NotNative("it gathers a table");
  return columnsOf(given(node, 0), columns, dims.length === 0 ? [] : [columns.length]);
};

/** ai.onnx.ml ArrayFeatureExtractor of columns. */
export const featureExtractor: Operator = (node) => {
  const columns = [...weightsOf(node, 1)];
  return columnsOf(given(node, 0), columns, [columns.length]);
};

/** Of columns, forwards. */
const slice: Operator = (node) => {
  const cells = given(node, 0);
  const old = node.opset < 10;
  const list = (index: number, name: string) =>
    old ? numbersOf(node, name) : node.inputs[index] == null ? [] : [...weightsOf(node, index)];
  const [[start = 0, ...others], [end = 0]] = [list(1, "starts"), list(2, "ends")];
  const [axis = 0] = list(3, "axes");
  const [step = 1] = list(4, "steps");
  const [width = 0] = cells.dims;
  if (others.length > 0 || (axis !== 1 && axis !== -1) || step !== 1) {
    throw new NotNative("it slices other than columns");
  }
  const within = (at: number) => Math.min(width, Math.max(0, at < 0 ? at + width : at));
  const [from, to] = [within(start), within(end)];
  const columns = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  return columnsOf(cells, columns, [columns.length]);
};

/** To [N], or to a table of as many columns as there are cells a row. */
const reshape: Operator = (node) => {
  const cells = given(node, 0);
  const [rows, ...dims] = [...weightsOf(node, 1)];
  const size = sizeOf(cells.dims);
  const [columns = 1] = dims;
  const isList = dims.length === 0 && size === 1;
  const isTable = dims.length === 1 && (columns === size || (columns === -1 && rows === 0));
  // 0 keeps the rows; −1 is what is left: the rows, where the columns are said.
  const keepsRows = rows === -1 ? columns !== -1 : rows === 0;
  if (!keepsRows || !(isList || isTable)) throw new NotNative(`it reshapes to [${rows}, ${dims}]`);
  return same(reshaped(cells, isList ? [] : [size]));
};

const flatten: Operator = (node) => {
  const cells = given(node, 0);
  if (numberOf(node, "axis", 1) !== 1) throw new NotNative("it flattens rows");
  return same(reshaped(cells, [sizeOf(cells.dims)]));
};

/** Sums of all columns, which stay one. */
const reduceSum: Operator = (node) => {
  const { numbers, dims, type } = floatsOf(node, 0);
  const axes = node.opset < 13 ? numbersOf(node, "axes") : [...weightsOf(node, 1)];
  const [axis = 0] = axes;
  const isRow = dims.length === 1 && axes.length === 1 && (axis === 1 || axis === -1);
  if (!isRow || numberOf(node, "keepdims", 1) !== 1) throw new NotNative("it adds up rows");
  const output = newCells(type, [1]);
  const step = () => {
    let sum = 0;
    for (const each of numbers) sum = type === "float32" ? Math.fround(sum + each) : sum + each;
    output.numbers[0] = sum;
  };
  return { outputs: [output], step, cost: numbers.length };
};

const softmax: Operator = (node) => {
  const { numbers, dims, type } = floatsOf(node, 0);
  const axis = numberOf(node, "axis", node.opset < 13 ? 1 : -1);
  if (dims.length !== 1 || (axis !== 1 && axis !== -1)) throw new NotNative("it is over rows");
  const output = newCells(type, dims);
  const step = () => {
    let most = Number.NEGATIVE_INFINITY;
    for (const each of numbers) most = Math.max(most, each);
    let sum = 0;
    for (const [i, each] of numbers.entries()) {
      const share = Math.exp(each - most);
      output.numbers[i] = share;
      sum += share;
    }
    for (let i = 0; i < numbers.length; i++) {
      output.numbers[i] = (output.numbers[i] as number) / sum;
    }
  };
  return { outputs: [output], step, cost: numbers.length * 4 };
};

/** Operators of ONNX's own domain. */
export const coreOperators: Readonly<Record<string, Operator>> = {
  Identity: (node) => same(given(node, 0)),
  Abs: unary(Math.abs),
  Neg: unary((value) => -value),
  Exp: unary(Math.exp),
  Relu: unary((value) => Math.max(value, 0)),
  Sigmoid: unary((value) => 1 / (1 + Math.exp(-value))),
  IsNaN: unary((value) => (Number.isNaN(value) ? 1 : 0), "bool"),
  Add: binary((left, right) => left + right),
  Sub: binary((left, right) => left - right),
  Mul: binary((left, right) => left * right),
  Div: binary((left, right) => left / right),
  Equal: binary((left, right) => (left === right ? 1 : 0), "bool"),
  Where: where,
  Cast: cast,
  Concat: concat,
  Gather: gather,
  Slice: slice,
  Reshape: reshape,
  Flatten: flatten,
  ReduceSum: reduceSum,
  Softmax: softmax,
};
