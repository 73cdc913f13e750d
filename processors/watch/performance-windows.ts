import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { areaUnderRoc } from "../drift/auc.ts";
import { type DriftWindow, windowStartOf } from "./drift-window.ts";

/** Fewer labelled rows than this allow no judgement. */
const minRows = 200;

/** A growing list of scores. */
class Scores {
  #values = new Float64Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const grown = new Float64Array(this.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.length++] = value;
  }

  get values(): Float64Array {
    return this.#values.subarray(0, this.length);
  }
}

interface OpenWindow {
  readonly start: number;
  /** Its end has passed: no prediction will follow. */
  ended: boolean;
  predicted: number;
  /** Labelled or expired. */
  resolved: number;
  readonly positives: Scores;
  readonly negatives: Scores;
}

/**
 * AUC of the predictions of a window against their labels, exact. A window closes once its end has
 * passed and each of its predictions is labelled or expired. Predictions of the fallback are waited
 * for but not judged. Memory: a score a labelled prediction of the windows still open, that is of
 * the window's length and the label's `within`.
 */
export class PerformanceWindows {
  readonly #overMs: number;
  readonly #floor: number;
  /** Ascending starts. */
  #open: OpenWindow[] = [];

  constructor(overMs: number, floor: number) {
    this.#overMs = overMs;
    this.#floor = floor;
  }

  predicted(knownAt: number): void {
    this.#windowOf(knownAt).predicted++;
  }

  /**
   * Takes an outcome.
   *
   * @param label - 1, 0, or NaN: unlabelled.
   * @returns the window that it closes.
   */
  resolved(
    predictedAt: number,
    version: string,
    probability: number,
    label: number,
    champion: string | null,
  ): DriftWindow | null {
    const window = this.#windowOf(predictedAt);
    window.resolved++;
    if (version !== "" && !Number.isNaN(label)) {
      (label === 1 ? window.positives : window.negatives).push(probability);
    }
    return this.#closeIfDone(window, champion);
  }

  /** End of the oldest window whose end has not passed; `Infinity` when there is none. */
  nextEnd(): number {
    for (const { start, ended } of this.#open) if (!ended) return start + this.#overMs;
    return Number.POSITIVE_INFINITY;
  }

  /** The end of the oldest such window has passed; returns the window if that closes it. */
  end(champion: string | null): DriftWindow | null {
    const window = this.#open.find(({ ended }) => !ended);
    if (window === undefined) return null;
    window.ended = true;
    return this.#closeIfDone(window, champion);
  }

  snapshot(writer: ByteWriter): void {
    writer.u16(this.#open.length);
    for (const window of this.#open) {
      writer.f64(window.start);
      writer.u8(window.ended ? 1 : 0);
      writer.f64(window.predicted);
      writer.f64(window.resolved);
      for (const scores of [window.positives, window.negatives]) {
        writer.u32(scores.length);
        for (const score of scores.values) writer.f64(score);
      }
    }
  }

  restore(reader: ByteReader): void {
    this.#open = [];
    for (let left = reader.u16(); left > 0; left--) {
      const window = newWindow(reader.f64());
      window.ended = reader.u8() === 1;
      window.predicted = reader.f64();
      window.resolved = reader.f64();
      for (const scores of [window.positives, window.negatives]) {
        for (let count = reader.u32(); count > 0; count--) scores.push(reader.f64());
      }
      this.#open.push(window);
    }
  }

  #windowOf(instant: number): OpenWindow {
    const start = windowStartOf(instant, this.#overMs);
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const window = this.#open[i] as OpenWindow;
      if (window.start === start) return window;
    }
    const window = newWindow(start);
    this.#open.push(window);
    this.#open.sort((a, b) => a.start - b.start);
    return window;
  }

  #closeIfDone(window: OpenWindow, champion: string | null): DriftWindow | null {
    if (!window.ended || window.resolved < window.predicted) return null;
    this.#open.splice(this.#open.indexOf(window), 1);
    const { start, positives, negatives } = window;
    const rows = positives.length + negatives.length;
    const statistic =
      rows < minRows ? Number.NaN : areaUnderRoc(positives.values, negatives.values);
    return {
      kind: "performance",
      windowStart: start,
      windowEnd: start + this.#overMs,
      rows,
      feature: null,
      statistic,
      threshold: this.#floor,
      alarm: statistic < this.#floor,
      version: champion,
    };
  }
}

function newWindow(start: number): OpenWindow {
  return {
    start,
    ended: false,
    predicted: 0,
    resolved: 0,
    positives: new Scores(),
    negatives: new Scores(),
  };
}
