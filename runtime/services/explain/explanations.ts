import { setImmediate as nextTurn } from "node:timers/promises";
import {
  type ExplainedModel,
  type Explanation,
  explainedModel,
} from "../../../processors/scoring/explain/explained-model.ts";
import type { NotComputed } from "../../../processors/scoring/native/native-model.ts";
import {
  type ModelReading,
  readInputs,
  readOutput,
  writtenReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { type OnnxFile, readOnnxFile } from "../../../processors/scoring/onnx/onnx-file.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import type { ArtifactStore } from "../train/artifacts.ts";

/** Models that are known at a time. */
const knownMost = 16;

/** How long rows are explained before others of the thread get their turn, ms. */
const turnMs = 2;

/** A larger file is read too slowly on the thread that answers. */
const bytesMost = 8 * 1024 * 1024;

/** Explains what models say of rows, from their artifacts, whoever scores by them. */
export class Explanations {
  readonly #artifacts: Pick<ArtifactStore, "get">;
  /** By artifact and features, the least recently used first. */
  readonly #known = new Map<string, Promise<ExplainedModel | NotComputed>>();
  #turnBegan = 0;

  constructor(artifacts: Pick<ArtifactStore, "get">) {
    this.#artifacts = artifacts;
  }

  /**
   * Of scores, in their order.
   *
   * @param features - names of the vectors.
   * @param asked - artifact: sha256 of the model that answered; "": the fallback did.
   */
  async ofAll(
    features: readonly string[],
    asked: readonly { readonly artifact: string; readonly vector: Float64Array }[],
  ): Promise<(Explanation | NotComputed)[]> {
    const explained: (Explanation | NotComputed)[] = [];
    for (const { artifact, vector } of asked) {
      if (artifact === "") {
        explained.push({ why: "the fallback answered, which is no model" });
        continue;
      }
      const model = await this.#model(artifact, features);
      if (performance.now() - this.#turnBegan > turnMs) {
        await nextTurn();
        this.#turnBegan = performance.now();
      }
      explained.push("why" in model ? model : model.explain(vector, 0));
    }
    return explained;
  }

  async #model(artifact: string, features: readonly string[]) {
    const key = `${artifact}/${features.join("\0")}`;
    const found = this.#known.get(key) ?? this.#read(artifact, features);
    this.#known.delete(key);
    this.#known.set(key, found);
    for (const [oldest] of this.#known) {
      if (this.#known.size <= knownMost) break;
      this.#known.delete(oldest);
    }
    try {
      return await found;
    } catch (error) {
      // The next request tries again.
      this.#known.delete(key);
      if (!(error instanceof MillraceError)) throw error;
      return { why: error.message };
    }
  }

  async #read(
    artifact: string,
    features: readonly string[],
  ): Promise<ExplainedModel | NotComputed> {
    return explanationOf(await this.#artifacts.get(artifact), features);
  }
}

/**
 * How an artifact is explained, or why it is not.
 *
 * @param features - names of the vectors.
 * @throws {MillraceError} MODEL_REFUSED where it is no model.
 */
export function explanationOf(
  bytes: Uint8Array,
  features: readonly string[],
): ExplainedModel | NotComputed {
  if (bytes.length > bytesMost) return { why: `its file is larger than ${bytesMost} bytes` };
  const file = readOnnxFile(bytes);
  const reading = writtenReading(file) ?? plainReading(file, features);
  return explainedModel(bytes, reading, features);
}

/** Of a file that no registration has written into, as those of the built-in trainer. */
function plainReading(file: OnnxFile, features: readonly string[]): ModelReading {
  const columns = new Map(
    file.outputs.map(({ name, type, shape }): [string, number] => {
      const isTable = type.startsWith("float") && (shape.length === 1 || shape.length === 2);
      return [name, isTable ? (shape.length === 1 ? 1 : (shape[1] ?? 0)) : 0];
    }),
  );
  const declared = { features };
  return {
    ...readInputs(file, declared),
    output: readOutput(file, columns, declared),
    alone: false,
  };
}
