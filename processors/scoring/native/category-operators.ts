import { NotNative, newCells } from "./cells.ts";
import { given, numberOf, numbersOf, type Operator, textOf, textsOf } from "./operator.ts";

/** ai.onnx.ml OneHotEncoder: a column for each category, 1 in that of the value. */
export const oneHotEncoder: Operator = (node) => {
  const cells = given(node, 0);
  const isText = cells.type === "string";
  const texts = textsOf(node, "cats_strings");
  const numbers = numbersOf(node, "cats_int64s");
  const categories: readonly (string | number)[] = isText ? texts : numbers;
  if (categories.length === 0 || cells.isConstant) throw new NotNative("it has no categories");
  if (numberOf(node, "zeros", 1) !== 1) throw new NotNative("it refuses what it does not know");
  const places = new Map(categories.map((category, index) => [category, index]));
  const width = categories.length;
  const output = newCells("float32", [...cells.dims, width]);
  const size = isText ? cells.texts.length : cells.numbers.length;
  const step = () => {
    output.numbers.fill(0);
    for (let i = 0; i < size; i++) {
      // Whole numbers are asked for: what is behind the point does not count.
      const value = isText ? cells.texts[i] : Math.trunc(cells.numbers[i] as number);
      const place = places.get(value as string | number);
      if (place !== undefined) output.numbers[i * width + place] = 1;
    }
  };
  return { outputs: [output], step, cost: size * 4 };
};

/** ai.onnx.ml LabelEncoder of texts into numbers. */
export const labelEncoder: Operator = (node) => {
  const cells = given(node, 0);
  const keys = textsOf(node, "keys_strings");
  const [floats, wholes] = [numbersOf(node, "values_floats"), numbersOf(node, "values_int64s")];
  const values = floats.length > 0 ? floats : wholes;
  const isKnown = keys.length > 0 && keys.length === values.length;
  if (cells.type !== "string" || cells.isConstant || !isKnown) {
    throw new NotNative(`it encodes ${cells.type}`);
  }
  const isFloat = floats.length > 0;
  const otherwise = isFloat
    ? numberOf(node, "default_float", 0)
    : numberOf(node, "default_int64", -1);
  if (textOf(node, "default_string", "_Unused") !== "_Unused") throw new NotNative("to texts");
  const byText = new Map(keys.map((key, index) => [key, values[index] as number]));
  const output = newCells(isFloat ? "float32" : "int64", cells.dims);
  const step = () => {
    for (const [i, text] of cells.texts.entries()) {
      output.numbers[i] = byText.get(text) ?? otherwise;
    }
  };
  return { outputs: [output], step, cost: cells.texts.length * 4 };
};
