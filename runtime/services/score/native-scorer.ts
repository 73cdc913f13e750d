import { setImmediate as nextTurn } from "node:timers/promises";
import { writtenReading } from "../../../processors/scoring/onnx/model-reading.ts";
import { onnxProperties } from "../../../processors/scoring/onnx/onnx-file.ts";
import { readArtifact } from "../train/artifacts.ts";
import { answerBatch } from "./answer-batch.ts";
import { loadOnnxModel, type OnnxModel } from "./onnx-model.ts";
import type { BatchAnswer } from "./scorer.ts";

/** Artifacts that are known at a time: models, and those that are onnxruntime's. */
const maxKnown = 16;

/** How long batches run before others of the thread get their turn, in ms. */
const turnMs = 2;

/**
 * Scores by models that are computed in JavaScript on the thread that asks: a row costs some
 * microseconds, and handing it to another thread thirty. One batch after the other.
 */
export class NativeScorer {
  readonly #directory: string;
  /** By artifact, the least recently used first; null: it is not computed here. */
  readonly #known = new Map<string, Promise<OnnxModel | null>>();
  #last: Promise<unknown> = Promise.resolve();
  #turnBegan = 0;

  /** @param directory - of the artifacts. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * The model of an artifact; null: it is onnxruntime's, or cannot be read, which whoever loads it
   * says.
   */
  async model(artifact: string): Promise<OnnxModel | null> {
    const found = this.#known.get(artifact) ?? this.#read(artifact);
    this.#known.delete(artifact);
    this.#known.set(artifact, found);
    for (const [oldest] of this.#known) {
      if (this.#known.size <= maxKnown) break;
      this.#known.delete(oldest);
    }
    try {
      return await found;
    } catch {
      // It may be there the next time.
      this.#known.delete(artifact);
      return null;
    }
  }

  /** @throws the reason of `signal` where that is aborted before the batch begins. */
  async score(
    model: OnnxModel,
    vectors: Float64Array,
    rows: number,
    signal: AbortSignal | undefined,
  ): Promise<BatchAnswer> {
    const run = async (): Promise<BatchAnswer> => {
      if (performance.now() - this.#turnBegan > turnMs) {
        await nextTurn();
        this.#turnBegan = performance.now();
      }
      signal?.throwIfAborted();
      return await answerBatch(async () => model, vectors, rows);
    };
    const answer = this.#last.then(run);
    this.#last = answer.catch(() => {});
    return await answer;
  }

  async #read(artifact: string): Promise<OnnxModel | null> {
    const bytes = await readArtifact(this.#directory, artifact);
    if (writtenReading({ properties: onnxProperties(bytes) })?.native !== true) return null;
    return await loadOnnxModel(bytes);
  }
}
