import { whyUnbounded } from "../../../processors/scoring/native/bounded-graph.ts";
import { readArtifact } from "../train/artifacts.ts";
import { loadOnnxModel, type OnnxModel } from "./onnx-model.ts";

/** Models loaded at a time: the champion, its predecessor, and room for a challenger. */
const maxModels = 4;

/** A model whose runs may take any time, where only such are loaded that have an end. */
export class UnboundedModel extends Error {}

/**
 * Models of one thread by artifact, warmed up before first use; the least recently used one is
 * released when another is needed. For one caller at a time.
 */
export class ModelCache {
  readonly #directory: string;
  readonly #takesAll: boolean;
  readonly #models = new Map<string, OnnxModel>();

  /**
   * @param directory - of the artifacts.
   * @param takesAll - whether also models are loaded whose runs may take any time.
   */
  constructor(directory: string, takesAll: boolean) {
    this.#directory = directory;
    this.#takesAll = takesAll;
  }

  /** @throws {UnboundedModel} */
  async get(artifact: string): Promise<OnnxModel> {
    const cached = this.#models.get(artifact);
    if (cached !== undefined) {
      this.#models.delete(artifact);
      this.#models.set(artifact, cached);
      return cached;
    }
    const bytes = await readArtifact(this.#directory, artifact);
    // Loading one may take any time, too: what is constant of it is computed then.
    const why = this.#takesAll ? null : whyUnbounded(bytes);
    if (why !== null) throw new UnboundedModel(why);
    const model = await loadOnnxModel(bytes);
    this.#models.set(artifact, model);
    for (const [oldest, stale] of this.#models) {
      if (this.#models.size <= maxModels) break;
      this.#models.delete(oldest);
      await stale.release();
    }
    return model;
  }

  async clear(): Promise<void> {
    const models = [...this.#models.values()];
    this.#models.clear();
    for (const model of models) await model.release();
  }
}
