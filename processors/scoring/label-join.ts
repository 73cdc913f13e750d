import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** A prediction while its key is remembered: what its outcome will need. */
export interface Prediction {
  readonly id: string;
  /** Its knownAt, UTC ms. */
  readonly predictedAt: number;
  /** "" for the fallback, also where the model did not answer in time. */
  version: string;
  /** Filled in once the model has answered. */
  probability: number;
  /** Neither labelled nor expired. */
  open: boolean;
}

/** A label that came before its prediction. */
export interface EarlyLabel {
  readonly id: string;
  readonly knownAt: number;
  readonly eventTime: number;
  /** 1 or 0. */
  readonly label: number;
  /** Source partition that it came from. */
  readonly writer: number;
  claimed: boolean;
}

/** Processed heads are cut off an order queue in pieces of this many entries. */
const cutEvery = 4096;

/**
 * Joins predictions with labels by id. A label counts if it is known at < predictedAt + within;
 * either side may come first, and an early label is kept as long, the first one of an id. An id is
 * remembered until predictedAt + within has passed, so that a second prediction of it is refused.
 *
 * Times never fall from call to call, and `within` is one length, so deadlines are queues in order
 * of arrival. Memory: the predictions and unclaimed labels of the last `within`.
 */
export class LabelJoin {
  readonly #withinMs: number;
  readonly #byId = new Map<string, Prediction>();
  #order: Prediction[] = [];
  /** First of `#order` that is still remembered. */
  #oldest = 0;
  /** First of `#order` that may be open. */
  #oldestOpen = 0;
  readonly #early = new Map<string, EarlyLabel>();
  #earlyOrder: EarlyLabel[] = [];
  #oldestEarly = 0;

  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** Forgets what can no longer join anything at `knownAt`. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - this.#withinMs;
    while (this.#oldest < this.#order.length) {
      const first = this.#order[this.#oldest] as Prediction;
      if (first.predictedAt >= horizon || first.open) break;
      this.#byId.delete(first.id);
      this.#oldest++;
    }
    while (this.#oldestEarly < this.#earlyOrder.length) {
      const first = this.#earlyOrder[this.#oldestEarly] as EarlyLabel;
      if (!first.claimed && first.knownAt >= horizon) break;
      if (!first.claimed) this.#early.delete(first.id);
      this.#oldestEarly++;
    }
    this.#cut();
  }

  /** Whether the id has been predicted within the time in which it is unique. */
  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Takes a prediction whose id is not remembered; returns the label that waits for it, if any. */
  predict(prediction: Prediction): EarlyLabel | null {
    this.#byId.set(prediction.id, prediction);
    this.#order.push(prediction);
    const early = this.#early.get(prediction.id);
    if (early === undefined) return null;
    early.claimed = true;
    prediction.open = false;
    this.#early.delete(early.id);
    return early;
  }

  /** Takes a label; returns the prediction that it closes, or null when it has to wait for one. */
  label(label: EarlyLabel): Prediction | null {
    const prediction = this.#byId.get(label.id);
    if (prediction?.open) {
      prediction.open = false;
      return prediction;
    }
    if (!this.#early.has(label.id)) {
      this.#early.set(label.id, label);
      this.#earlyOrder.push(label);
    }
    return null;
  }

  /** When the oldest open prediction expires; `Infinity` when there is none. */
  nextDeadline(): number {
    while (this.#oldestOpen < this.#order.length) {
      const first = this.#order[this.#oldestOpen] as Prediction;
      if (first.open) return first.predictedAt + this.#withinMs;
      this.#oldestOpen++;
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Closes the prediction whose deadline is {@link nextDeadline}. */
  expire(): Prediction {
    this.nextDeadline();
    const first = this.#order[this.#oldestOpen] as Prediction;
    first.open = false;
    return first;
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#order.length - this.#oldest);
    for (let i = this.#oldest; i < this.#order.length; i++) {
      const prediction = this.#order[i] as Prediction;
      writer.text(prediction.id);
      writer.f64(prediction.predictedAt);
      writer.text(prediction.version);
      writer.f64(prediction.probability);
      writer.u8(prediction.open ? 1 : 0);
    }
    writer.u32(this.#early.size);
    for (const label of this.#early.values()) {
      writer.text(label.id);
      writer.f64(label.knownAt);
      writer.f64(label.eventTime);
      writer.u8(label.label);
      writer.u16(label.writer);
    }
  }

  restore(reader: ByteReader): void {
    this.#clear();
    for (let left = reader.u32(); left > 0; left--) {
      const id = reader.text();
      const predictedAt = reader.f64();
      const version = reader.text();
      const probability = reader.f64();
      const open = reader.u8() === 1;
      const prediction: Prediction = { id, predictedAt, version, probability, open };
      this.#byId.set(id, prediction);
      this.#order.push(prediction);
    }
    for (let left = reader.u32(); left > 0; left--) {
      const id = reader.text();
      const knownAt = reader.f64();
      const eventTime = reader.f64();
      const label = reader.u8();
      const writer = reader.u16();
      const early: EarlyLabel = { id, knownAt, eventTime, label, writer, claimed: false };
      this.#early.set(id, early);
      this.#earlyOrder.push(early);
    }
  }

  #clear(): void {
    this.#byId.clear();
    this.#order = [];
    this.#oldest = 0;
    this.#oldestOpen = 0;
    this.#early.clear();
    this.#earlyOrder = [];
    this.#oldestEarly = 0;
  }

  #cut(): void {
    if (this.#oldest >= cutEvery) {
      this.#order.splice(0, this.#oldest);
      this.#oldestOpen = Math.max(0, this.#oldestOpen - this.#oldest);
      this.#oldest = 0;
    }
    if (this.#oldestEarly >= cutEvery) {
      this.#earlyOrder.splice(0, this.#oldestEarly);
      this.#oldestEarly = 0;
    }
  }
}
