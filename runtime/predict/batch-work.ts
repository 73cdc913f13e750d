import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import type { ScoreWork } from "../../processors/scoring/score-work.ts";

/** What is asked of a batch that requests make: rows of one width, row-major. */
export interface BatchPart {
  readonly model: ModelInForce;
  readonly rows: number;
  readonly vectors: Float64Array;
}

/** The rows of requests for one model, in their order, as work that no record of a stream asks. */
export function batchWork(parts: readonly BatchPart[], width: number): ScoreWork {
  const [first] = parts;
  if (first === undefined) throw new RangeError("a batch has rows");
  let count = 0;
  for (const { rows } of parts) count += rows;
  const rows = new Float64Array(count * width);
  let at = 0;
  for (const { vectors } of parts) {
    rows.set(vectors, at);
    at += vectors.length;
  }
  return {
    versions: [first.model.version],
    artifacts: [first.model.artifact],
    versionOf: new Uint16Array(count),
    rows,
    features: width,
    sourcePartitions: new Uint16Array(count),
    sourceOffsets: new Float64Array(count),
    putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
  };
}
