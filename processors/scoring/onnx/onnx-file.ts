import { MillraceError } from "../../../schemas/errors.ts";
import { type ExternalTensor, externalTensor } from "./external-tensor.ts";
import { type WireField, wireBytes, wireFields, wireNumber, wireNumbers } from "./wire.ts";

/** An input or output of a model, as its file declares it. */
export interface OnnxValue {
  readonly name: string;
  /** Of the elements of a tensor; "map" for what ZipMap gives, "other" for the rest. */
  readonly type: string;
  /** null: variable. Empty where the file does not say. */
  readonly shape: readonly (number | null)[];
}

/** Probabilities that ZipMap turns into maps, which are no tensors and cannot be read. */
export interface ZipMap {
  readonly output: string;
  /** The tensor [N, classes] behind it. */
  readonly tensor: string;
}

/** What an ONNX file says of itself, without its weights. */
export interface OnnxFile {
  /** Without those that the file gives values to. */
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly zipMaps: readonly ZipMap[];
  /** Names of the classes in the order of the columns; empty where the file does not say. */
  readonly classes: readonly string[];
  readonly properties: ReadonlyMap<string, string>;
}

/** Of TensorProto.DataType. */
const types: Readonly<Record<number, string>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
  16: "bfloat16",
};

/**
 * Reads what an ONNX file declares.
 *
 * @throws {MillraceError} MODEL_REFUSED when it is no ONNX file, or has its weights in another.
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto for the field numbers
 */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  const graph = new Graph();
  const properties = new Map<string, string>();
  let external: ExternalTensor | null = null;
  try {
    external = externalTensor(bytes);
    for (const each of wireFields(bytes)) {
      // Of a message that comes in several pieces, all count.
      if (each.field === 7) graph.add(each.bytes);
      addProperty(each, properties);
    }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new MillraceError("MODEL_REFUSED", { reason: notOnnx(cause.message) }, { cause });
  }
  if (graph.outputs.length === 0) {
    throw new MillraceError("MODEL_REFUSED", { reason: notOnnx("it has no graph with outputs") });
  }
  if (external !== null) {
    throw new MillraceError("MODEL_REFUSED", { reason: inAnotherFile(external) });
  }
  const inputs = graph.inputs.filter(({ name }) => !graph.given.has(name));
  const { outputs, zipMaps, classes } = graph;
  return { inputs, outputs, zipMaps, classes, properties };
}

/**
 * The properties alone, without a look at the graph.
 *
 * @throws {RangeError} where the bytes are no message.
 */
export function onnxProperties(bytes: Uint8Array): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const each of wireFields(bytes)) addProperty(each, properties);
  return properties;
}

function addProperty({ field, bytes }: WireField, properties: Map<string, string>): void {
  if (field !== 14) return;
  const { 1: key, 2: value } = texts(bytes);
  properties.set(key ?? "", value ?? "");
}

function notOnnx(reason: string): string {
  return `it is no ONNX file (${reason}); export the model as ONNX`;
}

function inAnotherFile({ tensor, file }: ExternalTensor): string {
  return (
    `the values of its tensor ${tensor.slice(0, 100)} stand in another file (${file.slice(0, 100)}), ` +
    "and a model is one file: save it with save_as_external_data=False, in onnx.save_model as in " +
    "mlflow.onnx.log_model"
  );
}

/**
 * The same model with more to say: properties, and tensors of its graph as further outputs. Bytes
 * are added behind its own, which stay as they are: of a message in pieces, parsers join the lists.
 */
export function extendOnnxFile(
  bytes: Uint8Array,
  properties: Readonly<Record<string, string>>,
  outputs: readonly string[] = [],
): Buffer {
  const tensorOfFloats = wireBytes(2, [wireBytes(1, [wireNumber(1, 1)])]);
  const values = outputs.map((name) => wireBytes(12, [wireBytes(1, name), tensorOfFloats]));
  return Buffer.concat([
    bytes,
    ...(values.length === 0 ? [] : [wireBytes(7, values)]),
    ...Object.entries(properties).map(([key, value]) =>
      wireBytes(14, [wireBytes(1, key), wireBytes(2, value)]),
    ),
  ]);
}

class Graph {
  readonly inputs: OnnxValue[] = [];
  readonly outputs: OnnxValue[] = [];
  readonly zipMaps: ZipMap[] = [];
  /** Names of initializers. */
  readonly given = new Set<string>();
  classes: readonly string[] = [];

  add(bytes: Uint8Array): void {
    for (const each of wireFields(bytes)) {
      if (each.field === 1) this.#node(each.bytes);
      else if (each.field === 5) this.given.add(texts(each.bytes)[8] ?? "");
      else if (each.field === 11) this.inputs.push(declaredValue(each.bytes));
      else if (each.field === 12) this.outputs.push(declaredValue(each.bytes));
    }
  }

  #node(bytes: Uint8Array): void {
    const inputs: string[] = [];
    const outputs: string[] = [];
    let op = "";
    for (const each of wireFields(bytes)) {
      if (each.field === 1) inputs.push(text(each.bytes));
      else if (each.field === 2) outputs.push(text(each.bytes));
      else if (each.field === 4) op = text(each.bytes);
      else if (each.field === 5) this.#attribute(each.bytes);
    }
    if (op !== "ZipMap") return;
    this.zipMaps.push({ output: outputs[0] ?? "", tensor: inputs[0] ?? "" });
  }

  /** Class labels of a classifier or a ZipMap; all of a model's are the same. */
  #attribute(bytes: Uint8Array): void {
    const fields = [...wireFields(bytes)];
    const name = text(fields.find(({ field }) => field === 1)?.bytes ?? new Uint8Array());
    if (!/^class_?labels_(int64s|strings)$/.test(name)) return;
    const labels = fields.flatMap((each): string[] => {
      if (each.field === 9) return [text(each.bytes)];
      return each.field === 8 ? wireNumbers(each).map(String) : [];
    });
    if (labels.length > 0) this.classes = labels;
  }
}

function declaredValue(bytes: Uint8Array): OnnxValue {
  let name = "";
  let type: WireField | undefined;
  for (const each of wireFields(bytes)) {
    if (each.field === 1) name = text(each.bytes);
    else if (each.field === 2) [type] = wireFields(each.bytes);
  }
  // A sequence of maps, or a map.
  if (type?.field === 4 || type?.field === 5) return { name, type: "map", shape: [] };
  if (type?.field !== 1) return { name, type: "other", shape: [] };
  let element = 0;
  let shape: (number | null)[] = [];
  for (const { field, number, bytes: inside } of wireFields(type.bytes)) {
    if (field === 1) element = Number(number);
    else if (field === 2) shape = [...wireFields(inside)].map((dim) => dimension(dim.bytes));
  }
  return { name, type: types[element] ?? "other", shape };
}

function dimension(bytes: Uint8Array): number | null {
  for (const { field, number } of wireFields(bytes)) {
    const size = Number(BigInt.asIntN(64, number));
    if (field === 1 && size > 0) return size;
  }
  return null;
}

/** The texts of a message by field, the last of each. */
function texts(bytes: Uint8Array): Readonly<Record<number, string>> {
  const found: Record<number, string> = {};
  for (const { field, bytes: value } of wireFields(bytes)) {
    if (value.length <= 65_536) found[field] = text(value);
  }
  return found;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
