import { type WireField, wireFields, wireNumbers } from "./wire.ts";

/** A tensor that a file holds: numbers as doubles, or texts. */
export interface OnnxConstant {
  /** One of {@link cellTypes}, or another that nobody here computes with. */
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: Float64Array | readonly string[];
}

/** An attribute of a node: each kind is empty where the attribute is of another. */
export interface OnnxAttribute {
  readonly numbers: readonly number[];
  readonly texts: readonly string[];
  readonly tensor: OnnxConstant | null;
}

export interface OnnxGraphNode {
  /** With its domain before it, unless that is ONNX's own: `ai.onnx.ml.TreeEnsembleRegressor`. */
  readonly op: string;
  /** "" where an optional one is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** What a model computes: its nodes in an order in which they can run, and its weights. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxGraphNode[];
  readonly constants: ReadonlyMap<string, OnnxConstant>;
  /** By domain, "" for ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  /** What of the file is not understood here; null: nothing. */
  readonly unread: string | null;
}

const types: Readonly<Record<number, string>> = {
  1: "float32",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  11: "float64",
};

/**
 * Reads nodes and weights of an ONNX file whose declarations could be read.
 *
 * @throws {RangeError} where the bytes are no message.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function readOnnxGraph(bytes: Uint8Array): OnnxGraph {
  const nodes: OnnxGraphNode[] = [];
  const constants = new Map<string, OnnxConstant>();
  const opsets = new Map<string, number>();
  let unread: string | null = null;
  for (const { field, bytes: part } of wireFields(bytes)) {
    if (field === 25) unread ??= "functions of its own";
    if (field === 8) addOpset(part, opsets);
    if (field !== 7) continue;
    for (const each of wireFields(part)) {
      if (each.field === 1) nodes.push(readNode(each.bytes));
      if (each.field === 15) unread ??= "sparse weights";
      if (each.field !== 5) continue;
      const { name, constant } = readTensor(each.bytes);
      if (constant === null) unread ??= `the weights ${name}`;
      else constants.set(name, constant);
    }
  }
  return { nodes, constants, opsets, unread };
}

function addOpset(bytes: Uint8Array, opsets: Map<string, number>): void {
  let domain = "";
  let version = 0;
  for (const { field, number, bytes: name } of wireFields(bytes)) {
    if (field === 1) domain = text(name);
    if (field === 2) version = Number(number);
  }
  opsets.set(domain === "ai.onnx" ? "" : domain, version);
}

function readNode(bytes: Uint8Array): OnnxGraphNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  let op = "";
  let domain = "";
  for (const { field, bytes: part } of wireFields(bytes)) {
    if (field === 1) inputs.push(text(part));
    else if (field === 2) outputs.push(text(part));
    else if (field === 4) op = text(part);
    else if (field === 7) domain = text(part);
    else if (field === 5) {
      const { name, attribute } = readAttribute(part);
      attributes.set(name, attribute);
    }
  }
  const isOnnx = domain === "" || domain === "ai.onnx";
  return { op: isOnnx ? op : `${domain}.${op}`, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array): { name: string; attribute: OnnxAttribute } {
  const numbers: number[] = [];
  const texts: string[] = [];
  let name = "";
  let tensor: OnnxConstant | null = null;
  for (const each of wireFields(bytes)) {
    const { field } = each;
    if (field === 1) name = text(each.bytes);
    else if (field === 2 || field === 7) addFloats(each.bytes, numbers);
    else if (field === 3 || field === 8) addWhole(each, numbers);
    else if (field === 4 || field === 9) texts.push(text(each.bytes));
    else if (field === 5) tensor = readTensor(each.bytes).constant;
  }
  return { name, attribute: { numbers, texts, tensor } };
}

function readTensor(bytes: Uint8Array): { name: string; constant: OnnxConstant | null } {
  const dims: number[] = [];
  const numbers: number[] = [];
  const texts: string[] = [];
  let name = "";
  let type = "";
  let raw: Uint8Array | null = null;
  let isElsewhere = false;
  for (const each of wireFields(bytes)) {
    const { field } = each;
    if (field === 1) addWhole(each, dims);
    else if (field === 2) type = types[Number(each.number)] ?? "other";
    else if (field === 4) addFloats(each.bytes, numbers);
    else if (field === 5 || field === 7) addWhole(each, numbers);
    else if (field === 6) texts.push(text(each.bytes));
    else if (field === 8) name = text(each.bytes);
    else if (field === 9) raw = each.bytes;
    else if (field === 10) addDoubles(each.bytes, numbers);
    else if (field === 13 || (field === 14 && each.number !== 0n)) isElsewhere = true;
  }
  const data = type === "string" ? texts : raw === null ? Float64Array.from(numbers) : null;
  const read = data ?? rawNumbers(type, raw as Uint8Array);
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (isElsewhere || read === null || read.length !== size) return { name, constant: null };
  return { name, constant: { type, dims, data: read } };
}

function rawNumbers(type: string, bytes: Uint8Array): Float64Array | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = (width: number, at: (offset: number) => number) =>
    Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => at(i * width));
  if (type === "float32") return read(4, (at) => view.getFloat32(at, true));
  if (type === "float64") return read(8, (at) => view.getFloat64(at, true));
  if (type === "int32") return read(4, (at) => view.getInt32(at, true));
  if (type === "int64") return read(8, (at) => Number(view.getBigInt64(at, true)));
  return type === "bool" ? read(1, (at) => view.getUint8(at)) : null;
}

/** Packed or one by one. */
function addFloats(bytes: Uint8Array, numbers: number[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; at += 4) numbers.push(view.getFloat32(at, true));
}

function addDoubles(bytes: Uint8Array, numbers: number[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; at += 8) numbers.push(view.getFloat64(at, true));
}

function addWhole(field: WireField, numbers: number[]): void {
  if (field.bytes.length === 0) numbers.push(Number(BigInt.asIntN(64, field.number)));
  else for (const each of wireNumbers(field)) numbers.push(Number(each));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
