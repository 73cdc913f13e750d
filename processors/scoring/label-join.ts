import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** A prediction while it waits for its label: what its outcome will need. */
export interface Prediction {
  readonly id: string;
  /** Its knownAt, UTC ms. */
  readonly predictedAt: number;
  /** "" for the fallback, also where the model did not answer. */
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
 * Joins predictions with labels by id. A label counts if it is known at < predictedAt + within, the
 * first one of a prediction. One that comes before any prediction of its id is early and kept for
 * `within`, the first one of an id, for the prediction that follows.
 *
 * Times never fall from call to call, and `within` is one length, so deadlines are queues in order
 * of arrival. Memory: the open predictions and unclaimed labels of the last `within`.
 */
export class LabelJoin {
  readonly #withinMs: number;
  readonly #open = new Map<string, Prediction>();
  #order: Prediction[] = [];
  /** First of `#order` that may be open. */
  #oldestOpen = 0;
  readonly #early = new Map<string, EarlyLabel>();
  #earlyOrder: EarlyLabel[] = [];
  #oldestEarly = 0;

  constructor(withinMs: number) {
    this.#withinMs = withinMs;
  }

  /** Forgets early labels that can no longer join anything at `knownAt`. */
  advanceTo(knownAt: number): void {
    const horizon = knownAt - this.#withinMs;
    while (this.#oldestEarly < this.#earlyOrder.length) {
      const first = this.#earlyOrder[this.#oldestEarly] as EarlyLabel;
      if (!first.claimed && first.knownAt >= horizon) break;
      if (!first.claimed) this.#early.delete(first.id);
      this.#oldestEarly++;
    }
    if (this.#oldestEarly >= cutEvery) {
      this.#earlyOrder.splice(0, this.#oldestEarly);
      this.#oldestEarly = 0;
    }
    if (this.#oldestOpen >= cutEvery) {
      this.#order.splice(0, this.#oldestOpen);
      this.#oldestOpen = 0;
    }
  }

  /** Takes a prediction whose id has no open one; returns the label that waits for it, if any. */
  predict(prediction: Prediction): EarlyLabel | null {
    const early = this.#early.size === 0 ? undefined : this.#early.get(prediction.id);
    if (early === undefined) {
      this.#open.set(prediction.id, prediction);
      this.#order.push(prediction);
      return null;
    }
    early.claimed = true;
    prediction.open = false;
    this.#early.delete(early.id);
    return early;
  }

  /** Takes the open prediction of an id, which a label closes; null when there is none. */
  close(id: string): Prediction | null {
    const prediction = this.#open.get(id);
    if (prediction === undefined) return null;
    prediction.open = false;
    this.#open.delete(id);
    return prediction;
  }

  /** Keeps a label of an id that has no prediction yet. */
  keep(label: EarlyLabel): void {
    if (this.#early.has(label.id)) return;
    this.#early.set(label.id, label);
    this.#earlyOrder.push(label);
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
    this.#open.delete(first.id);
    return first;
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#open.size);
    for (const prediction of this.#open.values()) {
      writer.text(prediction.id);
      writer.f64(prediction.predictedAt);
      writer.text(prediction.version);
      writer.f64(prediction.probability);
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
    this.#open.clear();
    this.#order = [];
    this.#oldestOpen = 0;
    this.#early.clear();
    this.#earlyOrder = [];
    this.#oldestEarly = 0;
    for (let left = reader.u32(); left > 0; left--) {
      const id = reader.text();
      const predictedAt = reader.f64();
      const version = reader.text();
      const probability = reader.f64();
      this.predict({ id, predictedAt, version, probability, open: true });
    }
    for (let left = reader.u32(); left > 0; left--) {
      const id = reader.text();
      const knownAt = reader.f64();
      const eventTime = reader.f64();
      const label = reader.u8();
      const writer = reader.u16();
      this.keep({ id, knownAt, eventTime, label, writer, claimed: false });
    }
  }
}
