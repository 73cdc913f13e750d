import type { ReferenceHistogram } from "../../schemas/payload.ts";
import type { TrainingRows } from "./training-rows.ts";

const deciles = 10;

/**
 * Histograms of the training rows, the reference of drift detection: bins between the deciles of
 * the present values, and one for missing. Equal deciles are one edge; the least value is none, and
 * neither is an infinite one, which JSON could not hold. So a feature with few distinct values has
 * fewer bins. Calendar features are left out.
 */
export function referenceHistograms(
  rows: TrainingRows,
  calendar: ReadonlySet<string>,
): ReferenceHistogram[] {
  const width = rows.features.length;
  const column = new Float64Array(rows.n);
  return rows.features.flatMap((feature, index) => {
    if (calendar.has(feature)) return [];
    let present = 0;
    for (let at = index; at < rows.values.length; at += width) {
      const value = rows.values[at] as number;
      if (!Number.isNaN(value)) column[present++] = value;
    }
    const sorted = column.subarray(0, present).sort();
    const edges = edgesOf(sorted);
    return [{ feature, edges, counts: countsOf(sorted, edges, rows.n - present) }];
  });
}

function edgesOf(sorted: Float64Array): number[] {
  const edges: number[] = [];
  for (let k = 1; k < deciles && sorted.length > 0; k++) {
    const edge = sorted[Math.floor((k * sorted.length) / deciles)] as number;
    const isNew = edge > (edges.at(-1) ?? (sorted[0] as number));
    if (isNew && Number.isFinite(edge)) edges.push(edge);
  }
  return edges;
}

function countsOf(sorted: Float64Array, edges: readonly number[], missing: number): number[] {
  const counts = new Array<number>(edges.length + 2).fill(0);
  let bin = 0;
  for (const value of sorted) {
    while (bin < edges.length && value >= (edges[bin] as number)) bin++;
    counts[bin] = (counts[bin] as number) + 1;
  }
  counts[edges.length + 1] = missing;
  return counts;
}
