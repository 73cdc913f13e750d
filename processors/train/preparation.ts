import type { TrainingRows } from "./training-rows.ts";

/** A calendar feature with more values than this is taken as a number. */
const maxCategories = 64;

/**
 * How raw features become columns of a linear model; fitted on training rows, shipped in the graph.
 */
export interface Preparation {
  /** Features by index that are scaled: (x − mean) / scale, 0 where missing. */
  readonly scaled: readonly { feature: number; mean: number; scale: number }[];
  /** Features whose missingness is a column; of features missing together only the first. */
  readonly indicators: readonly number[];
  /** Calendar features: one column a value seen, ascending; none matches where missing. */
  readonly categories: readonly { feature: number; values: readonly number[] }[];
  /** scaled, then indicators, then categories. */
  readonly columns: number;
}

/**
 * Fits a preparation: mean and standard deviation of the present values (constant features are left
 * out), missing indicators without duplicates, categories of calendar features.
 *
 * @param calendar - names of the features that follow the clock.
 */
export function fitPreparation(rows: TrainingRows, calendar: ReadonlySet<string>): Preparation {
  const scaled: { feature: number; mean: number; scale: number }[] = [];
  const categories: { feature: number; values: readonly number[] }[] = [];
  const partial: { feature: number; missing: number }[] = [];
  for (const [feature, name] of rows.features.entries()) {
    const { mean, scale, missing } = momentsOf(rows, feature);
    if (missing > 0 && missing < rows.n) partial.push({ feature, missing });
    const values = calendar.has(name) ? valuesOf(rows, feature) : null;
    if (values !== null) {
      if (values.length > 1) categories.push({ feature, values });
    } else if (scale > 0) scaled.push({ feature, mean, scale });
  }
  const indicators = distinctIndicators(rows, partial);
  const oneHot = categories.reduce((sum, { values }) => sum + values.length, 0);
  return {
    scaled,
    indicators,
    categories,
    columns: scaled.length + indicators.length + oneHot,
  };
}

/** Columns of the rows, row-major, n × columns. */
export function prepare(preparation: Preparation, rows: TrainingRows): Float64Array {
  const { scaled, indicators, categories, columns } = preparation;
  const width = rows.features.length;
  const design = new Float64Array(rows.n * columns);
  for (let row = 0; row < rows.n; row++) {
    const from = row * width;
    let at = row * columns;
    for (const { feature, mean, scale } of scaled) {
      const value = rows.values[from + feature] as number;
      design[at++] = Number.isNaN(value) ? 0 : (value - mean) / scale;
    }
    for (const feature of indicators) {
      design[at++] = Number.isNaN(rows.values[from + feature] as number) ? 1 : 0;
    }
    for (const { feature, values } of categories) {
      const position = values.indexOf(rows.values[from + feature] as number);
      if (position >= 0) design[at + position] = 1;
      at += values.length;
    }
  }
  return design;
}

function momentsOf(
  rows: TrainingRows,
  feature: number,
): { mean: number; scale: number; missing: number } {
  const width = rows.features.length;
  let present = 0;
  let sum = 0;
  for (let at = feature; at < rows.values.length; at += width) {
    const value = rows.values[at] as number;
    if (Number.isNaN(value)) continue;
    present++;
    sum += value;
  }
  const mean = present === 0 ? 0 : sum / present;
  let squares = 0;
  for (let at = feature; at < rows.values.length; at += width) {
    const value = rows.values[at] as number;
    if (!Number.isNaN(value)) squares += (value - mean) * (value - mean);
  }
  const scale = present === 0 ? 0 : Math.sqrt(squares / present);
  // A spread lost in the rounding of the mean is none.
  const constant = scale <= Math.abs(mean) * 1e-12;
  return { mean, scale: constant ? 0 : scale, missing: rows.n - present };
}

/** Distinct present values, ascending; null when there are too many for categories. */
function valuesOf(rows: TrainingRows, feature: number): number[] | null {
  const width = rows.features.length;
  const seen = new Set<number>();
  for (let at = feature; at < rows.values.length; at += width) {
    const value = rows.values[at] as number;
    if (!Number.isNaN(value)) seen.add(value);
    if (seen.size > maxCategories) return null;
  }
  return [...seen].sort((a, b) => a - b);
}

function distinctIndicators(
  rows: TrainingRows,
  partial: readonly { feature: number; missing: number }[],
): number[] {
  const kept: { feature: number; missing: number }[] = [];
  for (const each of partial) {
    const twin = kept.some(
      (other) => other.missing === each.missing && sameMissing(rows, other.feature, each.feature),
    );
    if (!twin) kept.push(each);
  }
  return kept.map(({ feature }) => feature);
}

function sameMissing(rows: TrainingRows, left: number, right: number): boolean {
  const width = rows.features.length;
  for (let from = 0; from < rows.values.length; from += width) {
    const a = Number.isNaN(rows.values[from + left] as number);
    if (a !== Number.isNaN(rows.values[from + right] as number)) return false;
  }
  return true;
}
