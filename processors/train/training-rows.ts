/** Training rows in time order: by when the outcome counts as known, then by id. */
export interface TrainingRows {
  readonly n: number;
  /** Names of the feature vector, in order. */
  readonly features: readonly string[];
  /** Row-major, n × features, NaN = missing. */
  readonly values: Float64Array;
  /** 1 or 0. */
  readonly labels: Uint8Array;
  /** UTC ms, never falling. */
  readonly knownAt: Float64Array;
}

/** The last share of rows in time is held out; the rest is trained on. */
export const holdoutShare = 0.2;

/** Splits rows in time order: the first are trained on, the last 20 % are held out. No copy. */
export function splitByTime(rows: TrainingRows): { train: TrainingRows; holdout: TrainingRows } {
  const cut = rows.n - Math.floor(rows.n * holdoutShare);
  return { train: slice(rows, 0, cut), holdout: slice(rows, cut, rows.n) };
}

function slice(rows: TrainingRows, from: number, to: number): TrainingRows {
  const width = rows.features.length;
  return {
    n: to - from,
    features: rows.features,
    values: rows.values.subarray(from * width, to * width),
    labels: rows.labels.subarray(from, to),
    knownAt: rows.knownAt.subarray(from, to),
  };
}
