import { readArtifact } from "../train/artifacts.ts";
import { loadOnnxModel, type OnnxModel } from "./onnx-model.ts";

/** Models loaded at a time: the champion, its predecessor, and room for a challenger. */
const maxModels = 4;

/**
 * Models of one thread by artifact, warmed up before first use; the least recently used one is
 * released when another is needed. For one caller at a time.
 */
export class ModelCache {
  readonly #directory: string;
  readonly #models = new Map<string, OnnxModel>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async get(artifact: string): Promise<OnnxModel> {
    const cached = this.#models.get(artifact);
    if (cached !== undefined) {
      this.#models.delete(artifact);
      this.#models.set(artifact, cached);
      return cached;
    }
    const model = await loadOnnxModel(await readArtifact(this.#directory, artifact));
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
