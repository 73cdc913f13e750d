import { wireFields } from "./wire.ts";

/** A tensor whose values stand in another file, and that. */
export interface ExternalTensor {
  readonly tensor: string;
  readonly file: string;
}

type Kind = keyof typeof parts;

/**
 * Messages that have tensors in them, by the numbers of their fields: not initializers alone, for
 * attributes of nodes have them too, and so have the graphs of branches and loops, and functions.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 */
const parts = {
  model: { 7: "graph", 20: "trainingInfo", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  trainingInfo: { 1: "graph", 2: "graph" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: {},
} as const satisfies Readonly<Record<string, Readonly<Record<number, string>>>>;

/**
 * The first tensor of a model that says that its values stand elsewhere; null: all are its own.
 * onnxruntime would read that file of the machine that scores, whatever it is, and answers would
 * tell what is in it.
 *
 * @throws {RangeError} where the bytes are no message.
 */
export function externalTensor(bytes: Uint8Array, kind: Kind = "model"): ExternalTensor | null {
  if (kind === "tensor") return elsewhere(bytes);
  const inside: Readonly<Record<number, Kind>> = parts[kind];
  for (const each of wireFields(bytes)) {
    const part = inside[each.field];
    const found = part === undefined ? null : externalTensor(each.bytes, part);
    if (found !== null) return found;
  }
  return null;
}

function elsewhere(bytes: Uint8Array): ExternalTensor | null {
  let [tensor, file, isExternal] = ["", "", false];
  for (const { field, number, bytes: value } of wireFields(bytes)) {
    if (field === 8) tensor = textOf(value);
    // An enum takes the low 32 bits of its number.
    else if (field === 14) isExternal ||= BigInt.asIntN(32, number) !== 0n;
    else if (field === 13) {
      const entry = new Map([...wireFields(value)].map((each) => [each.field, each.bytes]));
      if (textOf(entry.get(1)) === "location") file = textOf(entry.get(2));
    }
  }
  return isExternal ? { tensor, file } : null;
}

function textOf(bytes: Uint8Array = new Uint8Array()): string {
  return Buffer.from(bytes.subarray(0, 400)).toString("utf8");
}
