import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { ReferenceHistogram } from "../../schemas/payload.ts";
import { psi, psiAlarmFloor, psiBound } from "../drift/psi.ts";
import { type DriftWindow, minPartShare, windowStartOf } from "./drift-window.ts";
import { Reference } from "./reference.ts";

/** Features served by one version, in the bins of its training rows. */
interface Part {
  readonly reference: Reference;
  readonly counts: Float64Array;
  rows: number;
}

interface OpenWindow {
  readonly start: number;
  /** In the order in which they began to predict. */
  readonly parts: Part[];
}

/**
 * Holds the features served against the training rows of the version that served them, by PSI,
 * window by window of the predictions' knownAt. What the fallback answers, and a version that was
 * named by hand and has no training rows, is held against those of the version that the trainer
 * promoted last, and counted as its own. No window is opened while there is none. In live mode a
 * version may predict before the watch has heard of it: its features are held against what is known
 * until then.
 *
 * Memory: one histogram a feature, version and open window, at most two windows.
 */
export class FeatureWindows {
  readonly #overMs: number;
  readonly #features: readonly string[];
  #open: OpenWindow[] = [];

  constructor(overMs: number, features: readonly string[]) {
    this.#overMs = overMs;
    this.#features = features;
  }

  /**
   * @param version - "" of the fallback.
   * @param champion - of the version that the trainer promoted last.
   */
  predicted(
    knownAt: number,
    version: string,
    vector: Float64Array,
    champion: Reference | null,
  ): void {
    if (champion === null) return;
    const start = windowStartOf(knownAt, this.#overMs);
    let window = this.#open[this.#open.length - 1];
    if (window === undefined || window.start !== start) {
      window = { start, parts: [] };
      this.#open.push(window);
    }
    const part = partOf(window.parts, version, champion);
    part.rows++;
    part.reference.count(vector, part.counts);
  }

  /** End of the oldest open window; `Infinity` when none is open. */
  nextEnd(): number {
    const first = this.#open[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.start + this.#overMs;
  }

  /** Closes the oldest open window: a result for each version and feature. */
  close(): DriftWindow[] {
    const window = this.#open.shift();
    if (window === undefined) return [];
    const all = window.parts.reduce((sum, { rows }) => sum + rows, 0);
    return window.parts.flatMap((part) => this.#results(window.start, part, all));
  }

  #results(start: number, { reference, counts, rows }: Part, all: number): DriftWindow[] {
    return reference.histograms.map((histogram, i) => {
      const from = reference.starts[i] as number;
      const current = counts.subarray(from, from + histogram.counts.length);
      const judged = !histogram.poor && rows >= minPartShare * all;
      const statistic = judged ? psi(histogram.counts, current) : Number.NaN;
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
    for (const { start, parts } of this.#open) {
      writer.f64(start);
      writer.u32(parts.length);
      for (const { reference, counts, rows } of parts) {
        writer.f64(rows);
        writeReference(writer, reference);
        for (const count of counts) writer.f64(count);
      }
    }
  }

  restore(reader: ByteReader): void {
    this.#open = [];
    for (let left = reader.u16(); left > 0; left--) {
      const window: OpenWindow = { start: reader.f64(), parts: [] };
      for (let parts = reader.u32(); parts > 0; parts--) {
        const rows = reader.f64();
        const reference = readReference(reader, this.#features);
        const counts = new Float64Array(reference.bins);
        for (let bin = 0; bin < counts.length; bin++) counts[bin] = reader.f64();
        window.parts.push({ reference, counts, rows });
      }
      this.#open.push(window);
    }
  }
}

/** The part of a version, or of the trainer's champion where the version has none. */
function partOf(parts: Part[], version: string, champion: Reference): Part {
  const found = find(parts, version) ?? find(parts, champion.version);
  if (found !== undefined) return found;
  const part = { reference: champion, counts: new Float64Array(champion.bins), rows: 0 };
  parts.push(part);
  return part;
}

function find(parts: readonly Part[], version: string): Part | undefined {
  for (const part of parts) if (part.reference.version === version) return part;
  return undefined;
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
