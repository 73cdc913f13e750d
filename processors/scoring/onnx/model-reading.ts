import { MillraceError } from "../../../schemas/errors.ts";
import { nearest } from "../../../schemas/nearest.ts";
import type { OnnxFile, OnnxValue } from "./onnx-file.ts";

/** An input of a model and what it takes of a feature vector. */
export interface InputReading {
  readonly name: string;
  readonly type: "float32" | "float64" | "string";
  /** Indexes in the feature vector, in the order of the input's columns. */
  readonly columns: readonly number[];
  /** Of an input of texts: by column the text of a row where that is 1; "" where none is. */
  readonly texts?: readonly string[];
  /** Whether it is a list of numbers, [N], not a table. @default false */
  readonly flat?: true;
}

/** How the probability of a row is read from a model's output. */
export interface OutputReading {
  readonly name: string;
  /** Column of the probability among so many. */
  readonly column: number;
  readonly columns: number;
  /** Whether it is a log-odds, which the logistic function makes a probability. */
  readonly logit: boolean;
}

/**
 * How a model is asked and understood, chosen once: at registration, which writes it into the file,
 * or when a file without one is loaded.
 */
export interface ModelReading {
  /** Numbers of a feature vector. */
  readonly width: number;
  readonly inputs: readonly InputReading[];
  readonly output: OutputReading;
  /** Whether rows are asked one by one, since their answers depend on the rows beside them. */
  readonly alone: boolean;
  /** Whether it is computed in JavaScript, not by onnxruntime. @default false */
  readonly native?: true;
}

/** A feature that is 1 where a text is this one. */
export interface OneHotFeature {
  readonly feature: string;
  readonly text: string;
}

/** What a file cannot say of itself; all of it may be left out. */
export interface ModelDeclaration {
  /** Names of the feature vector in order. @default by the input's own width */
  readonly features?: readonly string[];
  /** By the name of a text the features that are 1 for one text each (`oneHot`), and that text. */
  readonly texts?: ReadonlyMap<string, readonly OneHotFeature[]>;
  /** Features in the order of the columns of the only input. @default the whole vector */
  readonly order?: readonly string[];
  /** @default the only output that may hold probabilities */
  readonly output?: string;
  /** Class whose probability is asked for. @default the second of two */
  readonly positive?: string;
  /** @default false */
  readonly logit?: boolean;
}

/** Property of an ONNX file that holds its {@link ModelReading} as JSON. */
export const readingProperty = "millrace.reading";

/** The reading that a registration has written into a file; null: there is none. */
export function writtenReading({ properties }: Pick<OnnxFile, "properties">): ModelReading | null {
  const json = properties.get(readingProperty);
  return json === undefined ? null : (JSON.parse(json) as ModelReading);
}

/**
 * What the inputs of a model take of a feature vector: one input takes all of it, or the features
 * that are declared; several take the features of their names.
 *
 * @throws {MillraceError} MODEL_REFUSED saying what to change.
 */
export function readInputs(
  { inputs }: OnnxFile,
  { features, order, texts }: ModelDeclaration,
): Pick<ModelReading, "width" | "inputs"> {
  const [only] = inputs;
  if (only === undefined) throw refused("it has no input: export it with one input [N, features]");
  const byName = inputs.length > 1 || (only.shape.length < 2 && only.shape.length > 0);
  if (byName && features !== undefined) {
    return {
      width: features.length,
      inputs: inputs.map((each) => namedInput(each, features, texts)),
    };
  }
  if (byName) {
    throw refused(`it has ${inputs.length} inputs: register it, which finds the feature of each`);
  }
  const width = widthOf(only, order ?? features);
  const names = features ?? Array.from({ length: width }, (_, index) => String(index));
  const columns = (order ?? names).map((name) => indexOf(name, names, "--order"));
  if (columns.length !== width) {
    const taken = `its input "${only.name}" takes ${width} features`;
    throw refused(
      `${taken}, and the step gives ${columns.length} (${listed(order ?? names)}): train it on ` +
        "these, or name the features that it takes, in its order, with --order",
    );
  }
  const input = { name: only.name, type: numeric(only), columns };
  return { width: names.length, inputs: [input] };
}

/**
 * Where a model's probability stands.
 *
 * @param columns - of each output of floats, by a run: 0 where it is no list or table of N rows.
 * @throws {MillraceError} MODEL_REFUSED naming the outputs and what to change.
 */
export function readOutput(
  file: OnnxFile,
  columns: ReadonlyMap<string, number>,
  { output: declared, positive, logit = false }: ModelDeclaration,
): OutputReading {
  const name = outputName(file, columns, declared);
  const count = columns.get(name) ?? 0;
  const { classes } = file;
  const known = classes.length === count ? ` (${listed(classes)})` : "";
  if (count === 1) {
    if (positive !== undefined && positive !== classes[1] && classes.length > 0) {
      throw refused(
        `"${name}" holds one number a row, that of the class ${classes[1] ?? classes[0]}, not of ` +
          `${positive}: leave --positive out, or name another output with --output; ${found(file)}`,
      );
    }
    return { name, column: 0, columns: 1, logit };
  }
  if (positive !== undefined) {
    const index = classes.length === count ? classes.indexOf(positive) : Number(positive);
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw refused(
        known === ""
          ? `the file does not name the classes of "${name}", so there is no ${positive}: give ` +
              `--positive the number of its column, 0 to ${count - 1}`
          : `"${name}" has no class ${positive}, but${known}: give --positive one of these`,
      );
    }
    return { name, column: index, columns: count, logit };
  }
  if (count === 2) return { name, column: 1, columns: 2, logit };
  throw refused(
    `"${name}" has the probabilities of ${count} classes${known}: say whose is asked for with ` +
      "--positive CLASS",
  );
}

function outputName(
  file: OnnxFile,
  columns: ReadonlyMap<string, number>,
  declared: string | undefined,
): string {
  if (declared !== undefined) {
    const zip = file.zipMaps.find(({ output }) => output === declared);
    const name = zip?.tensor ?? declared;
    if ((columns.get(name) ?? 0) > 0) return name;
    const isThere = file.outputs.some((each) => each.name === declared) || zip !== undefined;
    if (isThere) throw refused(`its output "${declared}" holds no number a row; ${found(file)}`);
    const near = nearest(
      declared.slice(0, 100),
      file.outputs.map((each) => each.name),
    );
    throw refused(
      `it has no output ${JSON.stringify(declared.slice(0, 100))}${near}; ${found(file)}`,
    );
  }
  const able = [...columns].flatMap(([name, count]) => (count > 0 ? [name] : []));
  const probable = able.filter((name) => /prob/i.test(name));
  const zipped = able.filter((name) => file.zipMaps.some(({ tensor }) => tensor === name));
  const [name] = [zipped, able, probable].find(({ length }) => length === 1) ?? [];
  if (name !== undefined) return name;
  throw refused(
    able.length === 0
      ? `it gives no probability; ${found(file)}. Export its probabilities, as float [N], [N, 1] ` +
          "or [N, classes]"
      : `several of its outputs may hold the probability: name one with --output; ${found(file)}`,
  );
}

function found({ outputs }: OnnxFile): string {
  const each = outputs.map(
    ({ name, type, shape }) => `${name}: ${type} [${shape.map((dim) => dim ?? "N").join(", ")}]`,
  );
  return `found: ${each.join("; ")}`;
}

function namedInput(
  value: OnnxValue,
  features: readonly string[],
  texts: ModelDeclaration["texts"],
): InputReading {
  const { name, shape } = value;
  if (shape.length > 2 || (shape.length === 2 && shape[1] !== 1 && shape[1] !== null)) {
    const dims = `[${shape.map((dim) => dim ?? "N").join(", ")}]`;
    throw refused(`its input "${name}" is ${dims}: give it one input, or one input a feature`);
  }
  const flat = shape.length === 1 ? ({ flat: true } as const) : {};
  const known = value.type === "string" ? texts?.get(name) : undefined;
  if (known !== undefined) {
    const columns = known.map(({ feature }) => indexOf(feature, features, `the text ${name}`));
    return { name, type: "string", columns, texts: known.map(({ text }) => text), ...flat };
  }
  return { name, type: numeric(value), columns: [indexOf(name, features, "it")], ...flat };
}

function indexOf(name: string, features: readonly string[], where: string): number {
  const index = features.indexOf(name);
  if (index >= 0) return index;
  const near = nearest(name, features);
  const known = `The step has: ${listed(features)}`;
  throw refused(`${where} names "${name}", which is no feature of the step${near}. ${known}`);
}

function numeric({ name, type }: OnnxValue): "float32" | "float64" {
  if (type === "float32" || type === "float64") return type;
  const why =
    type === "string"
      ? "a feature vector holds numbers, and no oneHot(…) of the step says which texts these " +
        "are: give the step one of that name, with the texts that the model knows"
      : "it cannot say that a value is missing: declare it as float";
  throw refused(`its input "${name}" takes ${type}, not float or double; ${why}`);
}

function widthOf({ name, shape }: OnnxValue, names: readonly string[] | undefined): number {
  const width = shape[1] ?? names?.length;
  if (width !== undefined && shape.length === 2) return width;
  if (width !== undefined && shape.length === 0) return width;
  throw refused(`its input "${name}" does not say how many features it takes: [N, features]`);
}

function listed(names: readonly string[]): string {
  return names.length <= 40 ? names.join(", ") : `${names.slice(0, 40).join(", ")}, …`;
}

function refused(reason: string): MillraceError {
  return new MillraceError("MODEL_REFUSED", { reason });
}
