/** What `handleSummary` of a script writes: k6's own summary, and what had to be measured. */
export interface K6Summary {
  readonly metrics: Readonly<Record<string, K6Metric>>;
  /** Metrics without which the run says nothing: a threshold on them cannot fail unmeasured. */
  readonly required: readonly string[];
}

export interface K6Metric {
  /** E.g. `trend` with `p(99)`, `counter` with `count`, `gauge` with `value`. */
  readonly type: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

/**
 * Why a run failed, a line each; empty when it did not. A threshold on a metric without samples
 * holds in k6, so that what is required must be there.
 *
 * @param summary - null: k6 wrote none.
 * @param exit - exit code of k6; null: it was killed.
 */
export function failuresOf(summary: K6Summary | null, exit: number | null): string[] {
  if (summary === null) return [`k6 ended with ${exit ?? "a signal"} and without a summary`];
  const failures = summary.required
    .filter((name) => !isMeasured(summary.metrics[name]))
    .map((name) => `${name} was not measured`);
  for (const [name, { thresholds = {}, values }] of Object.entries(summary.metrics)) {
    for (const [rule, { ok }] of Object.entries(thresholds)) {
      if (!ok) failures.push(`${name} ${rule} does not hold: ${valuesText(values)}`);
    }
  }
  if (exit !== 0 && failures.length === 0) failures.push(`k6 ended with ${exit ?? "a signal"}`);
  return failures;
}

function isMeasured(metric: K6Metric | undefined): boolean {
  if (metric === undefined) return false;
  return metric.type !== "trend" || (metric.values["count"] ?? 0) > 0;
}

function valuesText(values: K6Metric["values"]): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${rounded(value)}`)
    .join(", ");
}

/** Two digits behind the point, thousands apart. */
export function rounded(value: number | undefined): string {
  if (value === undefined) return "-";
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}
