import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { ReferenceHistogram } from "../../schemas/payload.ts";
import { psi, psiAlarmFloor, psiBound } from "../drift/psi.ts";
import { type DriftWindow, windowStartOf } from "./drift-window.ts";
import { Reference } from "./reference.ts";

interface OpenWindow {
  readonly start: number;
  readonly reference: Reference;
  readonly counts: Float64Array;
  rows: number;
}

/**
 * Holds the features served against the training rows of a champion, by PSI, window by window of
 * the predictions' knownAt. A window keeps the reference that was known at its first prediction,
 * and is not opened while there is none. Memory: one histogram a feature and open window, at most
 * two.
 */
export class FeatureWindows {
  readonly #overMs: number;
  readonly #features: readonly string[];
  #open: OpenWindow[] = [];

  constructor(overMs: number, features: readonly string[]) {
    this.#overMs = overMs;
    this.#features = features;
  }

  predicted(knownAt: number, vector: Float64Array, champion: Reference | null): void {
    const start = windowStartOf(knownAt, this.#overMs);
    let window = this.#open[this.#open.length - 1];
    if (window === undefined || window.start !== start) {
      if (champion === null) return;
      const counts = new Float64Array(champion.bins);
      window = { start, reference: champion, counts, rows: 0 };
      this.#open.push(window);
    }
    window.rows++;
    window.reference.count(vector, window.counts);
  }

  /** End of the oldest open window; `Infinity` when none is open. */
  nextEnd(): number {
    const first = this.#open[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.start + this.#overMs;
  }

  /** Closes the oldest open window: one result a feature. */
  close(): DriftWindow[] {
    const window = this.#open.shift();
    if (window === undefined) return [];
    const { start, reference, counts, rows } = window;
    return reference.histograms.map((histogram, i) => {
      const from = reference.starts[i] as number;
      const current = counts.subarray(from, from + histogram.counts.length);
      const statistic = psi(histogram.counts, current);
      const threshold = Math.max(psiAlarmFloor, psiBound(histogram.counts, current));
      return {
        kind: "features",
        windowStart: start,
        windowEnd: start + this.#overMs,
        rows,
        feature: histogram.feature,
        statistic,
        threshold,
        alarm: statistic > threshold,
        version: reference.version,
      };
    });
  }

  snapshot(writer: ByteWriter): void {
    writer.u16(this.#open.length);
    for (const { start, reference, counts, rows } of this.#open) {
      writer.f64(start);
      writer.f64(rows);
      writeReference(writer, reference);
      for (const count of counts) writer.f64(count);
    }
  }

  restore(reader: ByteReader): void {
    this.#open = [];
    for (let left = reader.u16(); left > 0; left--) {
      const start = reader.f64();
      const rows = reader.f64();
      const reference = readReference(reader, this.#features);
      const counts = new Float64Array(reference.bins);
      for (let bin = 0; bin < counts.length; bin++) counts[bin] = reader.f64();
      this.#open.push({ start, reference, counts, rows });
    }
  }
}

/** text version, JSON histograms behind a 32-bit length. */
export function writeReference(writer: ByteWriter, reference: Reference): void {
  writer.text(reference.version);
  writer.bytes(Buffer.from(JSON.stringify(reference.histograms), "utf8"));
}

export function readReference(reader: ByteReader, features: readonly string[]): Reference {
  const version = reader.text();
  const histograms = JSON.parse(reader.bytes().toString("utf8")) as ReferenceHistogram[];
  return new Reference(version, histograms, features);
}
