import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { areaUnderRoc } from "../drift/auc.ts";
import { type DriftWindow, minPartShare, windowStartOf } from "./drift-window.ts";

/** Fewer labelled rows than this allow no judgement. */
const minRows = 200;

/** A growing list of scores. */
class Scores {
  #values = new Float64Array(8);
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

/** Labelled scores of one version. */
interface Part {
  readonly positives: Scores;
  readonly negatives: Scores;
}

interface OpenWindow {
  readonly start: number;
  /** Its end has passed: no prediction will follow. */
  ended: boolean;
  predicted: number;
  /** Labelled or expired. */
  resolved: number;
  /** By version, in the order in which they began to predict. */
  readonly parts: Map<string, Part>;
  /** Of challengers: a version may have been one before it was champion. */
  readonly challengers: Map<string, Part>;
}

const nothing: readonly DriftWindow[] = [];

/**
 * AUC of the predictions of a window against their labels, exact, by the version that made them. A
 * window closes once its end has passed and each of its predictions is labelled or expired.
 * Predictions of the fallback are waited for but not judged.
 *
 * Live mode may place a prediction later than it was known, in the window after the one that its
 * outcome names. So an outcome whose window is not open is left out, and a window closes `within`
 * after its end at the latest, when all its own outcomes are known.
 *
 * Memory: a score a labelled prediction of the windows still open, that is of the window's length
 * and the label's `within`.
 */
export class PerformanceWindows {
  readonly #overMs: number;
  readonly #floor: number;
  readonly #withinMs: number;
  readonly #isRouted: boolean;
  /** By start, ascending. */
  readonly #open = new Map<number, OpenWindow>();
  /** Those whose end has not passed, oldest first: two at most. */
  #current: OpenWindow[] = [];

  /**
   * @param withinMs - of the label step: outcomes are known so long after predictions at most.
   * @param isRouted - whether challengers answer, too: they are judged apart. @default false
   */
  constructor(overMs: number, floor: number, withinMs: number, isRouted = false) {
    this.#isRouted = isRouted;
    this.#overMs = overMs;
    this.#floor = floor;
    this.#withinMs = withinMs;
  }

  /**
   * @param knownAt - UTC ms, never falls from call to call.
   * @param version - "" of the fallback.
   * @param challenges - whether it answered as a challenger. @default false
   */
  predicted(knownAt: number, version: string, challenges = false): void {
    const start = windowStartOf(knownAt, this.#overMs);
    let window = this.#open.get(start);
    if (window === undefined) {
      window = this.#add(start);
      this.#current.push(window);
    }
    window.predicted++;
    if (version !== "") partOf(challenges ? window.challengers : window.parts, version);
  }

  /**
   * Takes an outcome.
   *
   * @param label - 1, 0, or NaN: unlabelled.
   * @param challenges - whether its version answered as a challenger. @default false
   * @returns the parts of the window that it closes; empty: none.
   */
  resolved(
    predictedAt: number,
    version: string,
    probability: number,
    label: number,
    challenges = false,
  ): readonly DriftWindow[] {
    const window = this.#open.get(windowStartOf(predictedAt, this.#overMs));
    if (window === undefined) return nothing;
    window.resolved++;
    if (version !== "" && !Number.isNaN(label)) {
      const parts = challenges ? window.challengers : window.parts;
      const { positives, negatives } = partOf(parts, version);
      (label === 1 ? positives : negatives).push(probability);
    }
    return this.#closeIfDone(window);
  }

  /** When a window ends next, or has waited for its outcomes long enough; `Infinity`: never. */
  nextEnd(): number {
    const [ending] = this.#current;
    const end = ending === undefined ? Number.POSITIVE_INFINITY : ending.start + this.#overMs;
    return Math.min(end, this.#lastEnd());
  }

  /** {@link nextEnd} has come for one window; returns its parts if that closes it. */
  end(): readonly DriftWindow[] {
    if (this.nextEnd() === this.#lastEnd()) {
      const [oldest] = this.#open.values();
      return oldest === undefined ? nothing : this.#close(oldest);
    }
    const window = this.#current.shift();
    if (window === undefined) return nothing;
    window.ended = true;
    return this.#closeIfDone(window);
  }

  snapshot(writer: ByteWriter): void {
    writer.u32(this.#open.size);
    for (const window of this.#open.values()) {
      writer.f64(window.start);
      writer.u8(window.ended ? 1 : 0);
      writer.f64(window.predicted);
      writer.f64(window.resolved);
      for (const all of this.#partsOf(window)) {
        writer.u32(all.size);
        for (const [version, { positives, negatives }] of all) {
          writer.text(version);
          for (const scores of [positives, negatives]) {
            writer.u32(scores.length);
            for (const score of scores.values) writer.f64(score);
          }
        }
      }
    }
  }

  restore(reader: ByteReader): void {
    this.#open.clear();
    this.#current = [];
    for (let left = reader.u32(); left > 0; left--) {
      const window = this.#add(reader.f64());
      window.ended = reader.u8() === 1;
      window.predicted = reader.f64();
      window.resolved = reader.f64();
      for (const all of this.#partsOf(window)) {
        for (let parts = reader.u32(); parts > 0; parts--) {
          const { positives, negatives } = partOf(all, reader.text());
          for (const scores of [positives, negatives]) {
            for (let count = reader.u32(); count > 0; count--) scores.push(reader.f64());
          }
        }
      }
      if (!window.ended) this.#current.push(window);
    }
  }

  #partsOf({ parts, challengers }: OpenWindow): readonly Map<string, Part>[] {
    return this.#isRouted ? [parts, challengers] : [parts];
  }

  /** When the oldest window must close. */
  #lastEnd(): number {
    for (const start of this.#open.keys()) return start + this.#overMs + this.#withinMs;
    return Number.POSITIVE_INFINITY;
  }

  #add(start: number): OpenWindow {
    const maps = { parts: new Map(), challengers: new Map() };
    const window = { start, ended: false, predicted: 0, resolved: 0, ...maps };
    this.#open.set(start, window);
    return window;
  }

  #closeIfDone(window: OpenWindow): readonly DriftWindow[] {
    if (!window.ended || window.resolved < window.predicted) return nothing;
    return this.#close(window);
  }

  /** Challengers come first; of champions the newest comes last. */
  #close({ start, parts, challengers }: OpenWindow): readonly DriftWindow[] {
    this.#open.delete(start);
    // They have their keys for as long as they are routed to: no hour of the day is theirs alone.
    const beside = this.#judged(start, challengers, 0);
    if (parts.size === 0) return [...beside, this.#result(start, null, 0, Number.NaN)];
    let all = 0;
    for (const part of parts.values()) all += rowsOf(part);
    return [...beside, ...this.#judged(start, parts, minPartShare * all)];
  }

  #judged(start: number, parts: ReadonlyMap<string, Part>, least: number): DriftWindow[] {
    return Array.from(parts, ([version, part]) => {
      const { positives, negatives } = part;
      const rows = rowsOf(part);
      const judged = rows >= minRows && rows >= least;
      const auc = judged ? areaUnderRoc(positives.values, negatives.values) : Number.NaN;
      return this.#result(start, version, rows, auc);
    });
  }

  #result(start: number, version: string | null, rows: number, statistic: number): DriftWindow {
    return {
      kind: "performance",
      windowStart: start,
      windowEnd: start + this.#overMs,
      rows,
      feature: null,
      statistic,
      threshold: this.#floor,
      alarm: statistic < this.#floor,
      version,
    };
  }
}

function rowsOf({ positives, negatives }: Part): number {
  return positives.length + negatives.length;
}

function partOf(parts: Map<string, Part>, version: string): Part {
  let part = parts.get(version);
  if (part === undefined) {
    part = { positives: new Scores(), negatives: new Scores() };
    parts.set(version, part);
  }
  return part;
}
