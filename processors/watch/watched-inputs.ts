import type { ByteReader } from "../../schemas/bytes.ts";
import { outcomeLayout, predictionLayout } from "../../schemas/input-payloads.ts";
import { PayloadView, type Place } from "../../schemas/payload-view.ts";

/** A prediction as a watch is told of it, read where it stands: one serves all. */
export class PredictionInput {
  readonly #payload: PayloadView;
  readonly #version: Place;
  /** Null: there are none. */
  readonly #features: Place | null;
  readonly #count: number;
  readonly #challenges: Place | null;

  /**
   * @param features - how many a prediction has.
   * @param isRouted - whether its step is.
   */
  constructor(features: number, isRouted: boolean) {
    this.#payload = new PayloadView(predictionLayout(features, isRouted));
    this.#challenges = isRouted ? this.#payload.place("challenges") : null;
    this.#version = this.#payload.place("version");
    this.#features = features === 0 ? null : this.#payload.place("features");
    this.#count = features;
  }

  /** Takes the prediction at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  /** "" for the fallback. */
  version(): string {
    return this.#payload.text(this.#version);
  }

  /** Whether a challenger made it. */
  challenges(): boolean {
    return this.#challenges !== null && this.#payload.boolean(this.#challenges);
  }

  copyFeatures(target: Float64Array): void {
    if (this.#features !== null) this.#payload.numbers(this.#features, this.#count, target, 0);
  }
}

/** An outcome as a watch is told of it. */
export class OutcomeInput {
  readonly #payload: PayloadView;
  readonly #predictedAt: Place;
  readonly #version: Place;
  readonly #probability: Place;
  readonly #label: Place;
  readonly #challenges: Place | null;

  /** @param isRouted - whether the step of its prediction is. */
  constructor(isRouted: boolean) {
    const payload = new PayloadView(outcomeLayout(isRouted));
    this.#payload = payload;
    this.#predictedAt = payload.place("predictedAt");
    this.#version = payload.place("version");
    this.#probability = payload.place("probability");
    this.#label = payload.place("label");
    this.#challenges = isRouted ? payload.place("challenges") : null;
  }

  /** Takes the outcome at which a reader stands in hand. */
  open(payload: ByteReader): void {
    this.#payload.open(payload);
  }

  /** UTC ms. */
  predictedAt(): number {
    return this.#payload.number(this.#predictedAt);
  }

  /** "" for the fallback. */
  version(): string {
    return this.#payload.text(this.#version);
  }

  /** NaN: there is none. */
  probability(): number {
    return this.#payload.number(this.#probability);
  }

  /** 1 or 0; NaN: no label came in time, or it is unknown. */
  label(): number {
    return this.#payload.number(this.#label);
  }

  /** Whether a challenger answered. */
  challenges(): boolean {
    return this.#challenges !== null && this.#payload.boolean(this.#challenges);
  }
}
