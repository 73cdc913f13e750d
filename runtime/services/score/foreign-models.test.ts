import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type ModelDeclaration,
  readingProperty,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { extendOnnxFile, readOnnxFile } from "../../../processors/scoring/onnx/onnx-file.ts";
import { wireBytes, wireNumber } from "../../../processors/scoring/onnx/wire.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import { encodeOnnx, onnxTypes } from "../train/onnx-writer.ts";
import { batchVariance, loadOnnxModel } from "./onnx-model.ts";

const folder = join(packageRoot(), "examples", "models", "fixtures");
const fileOf = (name: string) => readFileSync(join(folder, `${name}.onnx`));

interface Scores {
  readonly features: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
  /** null where the library gives none: a value is missing. */
  readonly scores: Readonly<Record<string, readonly (number | null)[]>>;
}
const known = JSON.parse(readFileSync(join(folder, "scores.json"), "utf8")) as Scores;
const { features } = known;
const rows = Float64Array.from(known.rows.flat(), (value) => value ?? Number.NaN);

const texts = new Map([
  [
    "country",
    [
      { feature: "country_de", text: "DE" },
      { feature: "country_fr", text: "FR" },
    ],
  ],
]);

/** By fixture what has to be declared beside the features. */
const declared: Readonly<Record<string, ModelDeclaration>> = {
  "sklearn-classes": { positive: "late" },
  "sklearn-columns": { output: "i1" },
  "sklearn-logits": { logit: true },
  "sklearn-inputs": { texts },
};

for (const [name, scores] of Object.entries(known.scores)) {
  test(`${name}: what its converter wrote gives the scores of its library`, async () => {
    const model = await loadOnnxModel(fileOf(name), { features, ...declared[name] });
    const answers = await model.score(rows);
    await model.release();
    assert.equal(answers.length, scores.length);
    for (const [row, p] of scores.entries()) {
      const answer = answers[row] as number;
      const near = p === null ? Number.isNaN(answer) : Math.abs(answer - p) <= 1e-6;
      assert.ok(near, `row ${row}: ${answer}, not ${p}`);
    }
  });
}

test("trees do not depend on their batch; linear graphs do, unless rows are asked alone", async () => {
  const varies = async (bytes: Uint8Array) => {
    const model = await loadOnnxModel(bytes, { features });
    const variance = await batchVariance(model, rows);
    const { reading } = model;
    await model.release();
    return { variance, reading };
  };
  for (const name of ["lightgbm-zipmap", "xgboost", "sklearn-boosted"]) {
    assert.equal((await varies(fileOf(name))).variance, null, name);
  }
  const linear = fileOf("sklearn-zipmap");
  const { variance, reading } = await varies(linear);
  assert.match(variance ?? "", /^row \d+ scores .* in a batch of 1 and .* in one of 64$/);
  const written = JSON.stringify({ ...reading, alone: true });
  const alone = await varies(extendOnnxFile(linear, { [readingProperty]: written }));
  assert.deepEqual(alone, { variance: null, reading: { ...reading, alone: true } });
});

/** Refused at loading, with this in the message. */
async function refused(
  bytes: Uint8Array,
  declaration: ModelDeclaration,
  ...said: readonly RegExp[]
): Promise<void> {
  await assert.rejects(loadOnnxModel(bytes, declaration), (error: Error & { code?: string }) => {
    assert.equal(error.code, "MODEL_REFUSED");
    for (const each of said) assert.match(error.message, each);
    return true;
  });
}

test("what cannot be understood is refused, naming what was found and what to change", async () => {
  await refused(fileOf("sklearn-classes"), { features }, /early, late, on time/, /--positive/);
  const late = { features, positive: "lat" };
  await refused(fileOf("sklearn-classes"), late, /no class lat/, /late/);
  const wrong = { features, output: "variable" };
  await refused(
    fileOf("lightgbm-zipmap"),
    wrong,
    /"variable"/,
    /found: label: int64 \[1\]; probabilities: map/,
  );
  const four = { features: features.slice(1) };
  await refused(fileOf("lightgbm-zipmap"), four, /takes 5 features/, /gives 4/, /--order/);
  const order = { features, order: ["amount", "hour", "visits", "country_de", "country_f"] };
  await refused(fileOf("xgboost"), order, /did you mean country_fr/);
  await refused(fileOf("sklearn-inputs"), { features }, /"country" takes string/, /oneHot/);
  const unnamed = { features: features.map((name) => `the_${name}`), texts };
  await refused(fileOf("sklearn-inputs"), unnamed, /which is no feature of the step/);
  await refused(fileOf("sklearn-inputs"), {}, /4 inputs: register it/);
  const labels = encodeOnnx({
    name: "labels",
    nodes: [
      { op: "ReduceSum", inputs: ["x", "axes"], outputs: ["sum"], attributes: { keepdims: 0 } },
      {
        op: "Cast",
        inputs: ["sum"],
        outputs: ["label"],
        attributes: { to: onnxTypes.int64 },
      },
    ],
    initializers: [{ name: "axes", dims: [1], data: BigInt64Array.of(1n) }],
    input: { name: "x", type: onnxTypes.float, dims: ["N", 5] },
    output: { name: "label", type: onnxTypes.int64, dims: ["N"] },
  });
  await refused(labels, { features }, /no probability/, /label: int64/, /Export its probabilities/);
});

test("bytes that are no ONNX file are refused as that, wherever they are cut", () => {
  const whole = fileOf("sklearn-tensor");
  for (let end = 0; end < whole.length; end += 7) {
    const cut = whole.subarray(0, end);
    try {
      readOnnxFile(cut);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "MODEL_REFUSED", `cut at ${end}`);
    }
  }
});

test("features in another order are found by --order", async () => {
  const shuffled = ["visits", "country_fr", "amount", "country_de", "hour"];
  const at = shuffled.map((name) => features.indexOf(name));
  const other = Float64Array.from(known.rows.flatMap((row) => at.map((i) => row[i] ?? Number.NaN)));
  const model = await loadOnnxModel(fileOf("xgboost"), { features: shuffled, order: features });
  const plain = await loadOnnxModel(fileOf("xgboost"), { features });
  assert.deepEqual(await model.score(other), await plain.score(rows));
  await model.release();
  await plain.release();
});

test("a model whose weights stand in another file is refused with how to save it as one", () => {
  const location = wireBytes(13, [wireBytes(1, "location"), wireBytes(2, "weights.data")]);
  const named = wireBytes(8, "w");
  const output = wireBytes(12, [wireBytes(1, "p")]);
  const isExternal = wireNumber(14, 1);
  for (const tensor of [
    [named, location, isExternal],
    [isExternal, location, named],
  ]) {
    const model = wireBytes(7, [output, wireBytes(5, tensor)]);
    assert.throws(
      () => readOnnxFile(model),
      /tensor w .*weights\.data.*save_as_external_data=False/s,
    );
  }
  const own = wireBytes(7, [output, wireBytes(5, [named, wireNumber(14, 0)])]);
  assert.equal(readOnnxFile(own).outputs.length, 1);
});

test("values in another file are found wherever a model may have a tensor", () => {
  const location = wireBytes(13, [wireBytes(1, "location"), wireBytes(2, "package.json")]);
  const output = wireBytes(12, [wireBytes(1, "p")]);
  const tensor = (field: number, external = 1) =>
    wireBytes(field, [wireBytes(8, "w"), location, wireNumber(14, external)]);
  const graph = (field: number) => wireBytes(field, [tensor(5)]);
  const sparse = (field: number, part: number) => wireBytes(field, [tensor(part)]);
  const attributes = [
    tensor(5),
    tensor(10),
    ...[graph(6), graph(11)],
    ...[sparse(22, 1), sparse(22, 2), sparse(23, 1)],
    wireBytes(6, [wireBytes(1, [wireBytes(5, [graph(6)])])]),
  ].map((value) => wireBytes(5, [value]));
  const models = [
    ...attributes.map((attribute) => wireBytes(7, [output, wireBytes(1, [attribute])])),
    ...attributes.map((each) => [wireBytes(7, [output]), wireBytes(25, [wireBytes(7, [each])])]),
    [wireBytes(7, [output]), wireBytes(25, [wireBytes(11, [tensor(5)])])],
    wireBytes(7, [output, sparse(15, 1)]),
    [wireBytes(7, [output]), wireBytes(20, [graph(1)])],
    // The high bits of an enum count for nothing.
    wireBytes(7, [output, tensor(5, 2 ** 32 + 1)]),
  ];
  for (const model of models) {
    const bytes = Buffer.concat([model].flat());
    assert.throws(() => readOnnxFile(bytes), /tensor w .*another file \(package\.json\)/s);
  }
});

test("a file is read as ONNX, whatever else its first bytes say", async () => {
  // Of onnxruntime's own format, at the fifth byte; here within a field that ONNX does not know.
  const other = Buffer.concat([Buffer.of(0xfa, 0x07, 6, 0), Buffer.from("ORTM"), Buffer.of(0)]);
  const model = await loadOnnxModel(Buffer.concat([other, fileOf("xgboost")]), { features });
  const plain = await loadOnnxModel(fileOf("xgboost"), { features });
  assert.deepEqual(await model.score(rows), await plain.score(rows));
  await model.release();
  await plain.release();
});
