import type { ReferenceHistogram } from "../../schemas/payload.ts";
import { isPoorReference } from "../drift/psi.ts";
import { binEdges } from "./reference-bins.ts";
import type { TrainingRows } from "./training-rows.ts";

/**
 * Histograms of the training rows, the reference of drift detection: the bins of {@link binEdges},
 * and one for missing. Calendar features are left out.
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
    const edges = binEdges(sorted);
    const counts = countsOf(sorted, edges, rows.n - present);
    return [{ feature, edges, counts, poor: isPoorReference(counts) }];
  });
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
