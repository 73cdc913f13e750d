import type { ByteReader } from "../../schemas/bytes.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import type { ExternalWork, Outbox } from "../processor.ts";
import { type ExplainWork, explainService, readExplainResult } from "./explain-work.ts";
import type { NotComputed } from "./native/native-model.ts";
import type { DeferredOutcome, DeferredPrediction, ScoringOutputs } from "./outputs.ts";
import { VectorBuffer } from "./vector-buffer.ts";

/** Why what the fallback says has no explanation. */
export const fallbackAnswered: NotComputed = Object.freeze({
  why: "the fallback answered, which is no model",
});

/**
 * Predictions that are answered and wait for their explanations, with the outcomes behind them, in
 * the order in which they go out. Their vectors stand here: those of a batch are used again.
 */
export class ExplainedAnswers {
  readonly #features: readonly string[];
  readonly #most: number;
  readonly #outputs: ScoringOutputs;
  readonly #vectors: VectorBuffer;
  #waiting: (DeferredPrediction | DeferredOutcome)[] = [];

  constructor({ features, explainsMost = 0 }: ScoringSpec, outputs: ScoringOutputs) {
    this.#features = features;
    this.#most = explainsMost;
    this.#outputs = outputs;
    this.#vectors = new VectorBuffer(features.length);
  }

  /** Whether a model has answered any of them. */
  get asks(): boolean {
    return this.#asked.length > 0;
  }

  add(deferred: DeferredPrediction, vectors: VectorBuffer): void {
    const { width, values } = vectors;
    const from = deferred.row * width;
    const at = this.#vectors.add();
    this.#vectors.values.set(values.subarray(from, from + width), at);
    deferred.row = this.#vectors.rows - 1;
    this.#waiting.push(deferred);
  }

  addOutcome(deferred: DeferredOutcome): void {
    this.#waiting.push(deferred);
  }

  work(): ExternalWork<ExplainWork> {
    const { width, values } = this.#vectors;
    const asked = this.#asked;
    const versions: string[] = [];
    const artifacts: string[] = [];
    const versionOf = new Uint16Array(asked.length);
    const rows = new Float64Array(asked.length * width);
    for (const [at, { prediction, model, row }] of asked.entries()) {
      const known = versions.lastIndexOf(prediction.version);
      versionOf[at] = known >= 0 ? known : versions.push(prediction.version) - 1;
      if (known < 0) artifacts.push(model?.artifact ?? "");
      rows.set(values.subarray(row * width, (row + 1) * width), at * width);
    }
    const asks = { features: this.#features, most: this.#most };
    return { service: explainService, payload: { versions, artifacts, versionOf, rows, ...asks } };
  }

  /** @param result - of the work; null: there was nothing to ask. */
  settle(result: ByteReader | null, out: Outbox): void {
    const explained = result === null ? [] : readExplainResult(result, this.#asked.length);
    let next = 0;
    for (const each of this.#waiting) {
      if (each.kind === "outcome") {
        this.#outputs.outcome(each, out);
        continue;
      }
      const own = isAnswered(each) ? explained[next++] : undefined;
      this.#outputs.prediction(each, this.#vectors, out, own ?? fallbackAnswered);
    }
    this.#waiting = [];
    this.#vectors.clear();
  }

  get #asked(): DeferredPrediction[] {
    return this.#waiting.filter((each) => each.kind === "prediction").filter(isAnswered);
  }
}

function isAnswered({ prediction }: DeferredPrediction): boolean {
  return prediction.version !== "";
}
