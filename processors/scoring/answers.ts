import type { ExternalWork } from "../processor.ts";
import type { FallbackReason, ModelInForce, ModelRegister } from "./model-register.ts";
import type { DeferredOutcome, DeferredPrediction } from "./outputs.ts";
import type { RowResults } from "./row-results.ts";
import { ScoreBatch } from "./score-batch.ts";
import type { ScoreWork } from "./score-work.ts";
import type { VectorBuffer } from "./vector-buffer.ts";

type Fallback = Parameters<ModelRegister["inPlaceOf"]>[1] & { readonly value: number };

/**
 * Asks models for the rows of predictions, and makes answers of what becomes of them. Rows are told
 * in the order of their triggers: what a batch held besides does not matter.
 *
 * Where a challenger is to answer, the champion is asked as well and stands by: a row that the
 * challenger does not answer waits for no other call. A shadow's row is of no other's matter.
 */
export class Answers {
  readonly #models: ModelRegister;
  readonly #fallback: Fallback;
  readonly #batch: ScoreBatch;

  constructor(models: ModelRegister, fallback: Fallback, width: number) {
    this.#models = models;
    this.#fallback = fallback;
    this.#batch = new ScoreBatch(width);
  }

  get vectors(): VectorBuffer {
    return this.#batch.vectors;
  }

  work(
    news: Pick<ScoreWork, "putAside" | "asksNews" | "heard" | "knownAt">,
  ): ExternalWork<ScoreWork> {
    const { service, payload } = this.#batch.work(news);
    const failures = payload.versions.map((version) => this.#models.failuresOf(version));
    return { service, payload: { ...payload, failures } };
  }

  /** Asks for the last row of the vectors, which is that of the prediction. */
  ask(deferred: DeferredPrediction): void {
    const { model, routed, sourcePartition: partition, sourceOffset: offset } = deferred;
    if (model === null) return;
    this.#batch.add(model, partition, offset);
    if (routed === null) return;
    const beside = (asked: ModelInForce) => {
      const row = this.#batch.vectors.repeatLast();
      this.#batch.add(asked, partition, offset);
      return { model: asked, row };
    };
    const standby =
      model.challenges === true ? this.#models.inPlaceOf(model, this.#fallback) : null;
    if (standby !== null) routed.standby = beside(standby);
    const { shadow } = routed.assignment;
    if (shadow !== null && !this.#models.isAside(shadow.version)) routed.shadow = beside(shadow);
  }

  /** False: its model was put aside just now, and the one before it is to be asked. */
  take(deferred: DeferredPrediction, results: RowResults): boolean {
    const { prediction, routed } = deferred;
    for (;;) {
      deferred.latencyMs = results.latencyMs(deferred.row);
      const why = this.#whyNot(prediction.version, results.state(deferred.row));
      if (why === null) {
        prediction.probability = results.probability(deferred.row);
        break;
      }
      if (routed !== null && deferred.model?.challenges === true) routed.rerouted = why;
      const standby = routed?.standby ?? null;
      if (standby !== null && routed !== null) {
        routed.standby = null;
        [deferred.model, deferred.row] = [standby.model, standby.row];
        prediction.version = standby.model.version;
        continue;
      }
      const mayAsk = why === "put aside";
      if (mayAsk && this.#models.inPlaceOf(deferred.model, this.#fallback) !== null) return false;
      this.#fallBack(deferred, why);
      break;
    }
    if (routed !== null && routed.shadow !== null) {
      const { model, row } = routed.shadow;
      const why = this.#whyNot(model.version, results.state(row));
      if (why === "put aside") routed.shadow = null;
      else routed.shadowScore = why === null ? results.probability(row) : null;
    }
    return true;
  }

  /** Has rows asked for anew, of the models that are left. */
  again(all: readonly (DeferredPrediction | DeferredOutcome)[]): void {
    this.#batch.again();
    for (const each of all) {
      if (each.kind === "outcome" || each.model === null) continue;
      const { prediction, model, routed, sourcePartition: partition, sourceOffset: offset } = each;
      const aside = this.#models.isAside(model.version);
      const asked = aside ? (this.#models.inPlaceOf(model, this.#fallback) ?? model) : model;
      if (aside && routed !== null && model.challenges === true) routed.rerouted = "put aside";
      const keep = (kept: ModelInForce, row: number) =>
        this.#batch.keep(row, kept, partition, offset);
      each.model = asked;
      prediction.version = asked.version;
      each.row = keep(asked, each.row);
      if (routed === null) continue;
      const { standby, shadow } = routed;
      const stands = standby !== null && asked.challenges === true;
      routed.standby = stands ? { ...standby, row: keep(standby.model, standby.row) } : null;
      if (shadow !== null) routed.shadow = { ...shadow, row: keep(shadow.model, shadow.row) };
    }
    this.#batch.vectors.rows = this.#batch.rows;
  }

  clear(): void {
    this.#batch.clear();
  }

  #whyNot(version: string, state: number): FallbackReason | null {
    return this.#models.isAside(version) ? "put aside" : this.#models.told(version, state);
  }

  #fallBack(deferred: DeferredPrediction, reason: FallbackReason): void {
    const { prediction } = deferred;
    prediction.version = "";
    prediction.probability = this.#fallback.value;
    deferred.fallbackReason = reason;
  }
}
