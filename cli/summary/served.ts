import type { ModelSummary } from "./summary.ts";

/** Predictions of one version (null: the fallback) and how those with a known outcome did. */
export interface Served {
  /** Name of the scoring step. */
  readonly scoring: string;
  readonly model: string;
  readonly version: string | null;
  readonly total: number;
  readonly labelled: number;
  readonly auc: number | null;
}

/** What a version of a model has answered, in all steps that score by it. */
export function servedOf(
  served: readonly Served[],
  { model, version }: Pick<ModelSummary, "model" | "version">,
): Pick<ModelSummary, "scored" | "labelled" | "liveAuc"> {
  const own = served.filter((each) => each.model === model && each.version === version);
  return {
    scored: own.reduce((sum, { total }) => sum + total, 0),
    labelled: own.reduce((sum, { labelled }) => sum + labelled, 0),
    liveAuc: own.find(({ auc }) => auc !== null)?.auc ?? null,
  };
}

/** Predictions by the version that answered; of several models, those of one name together. */
export function byVersion(served: readonly Served[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const { version, total } of served) {
    if (version !== null) totals[version] = (totals[version] ?? 0) + total;
  }
  return totals;
}

/** AUC of the fallback; null where none is known, or several steps have one. */
export function fallbackAuc(served: readonly Served[]): number | null {
  const known = served.flatMap(({ version, auc }) =>
    version === null && auc !== null ? [auc] : [],
  );
  return known.length === 1 ? (known[0] as number) : null;
}
