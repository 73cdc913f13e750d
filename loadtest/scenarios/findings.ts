/** A UTC day of departures. */
export interface DayFinding {
  /** YYYY-MM-DD. */
  readonly day: string;
  /** Of the labelled flights. */
  readonly lateShare: number;
  /** Labelled flights that a model scored when they departed. */
  readonly scored: number;
  /** AUC of those answers; null while all have one label. */
  readonly liveAuc: number | null;
  /**
   * AUC of the champion that was in force when the disturbance began, over all labelled flights of
   * the day and their features as served; null before that day.
   */
  readonly oldChampionAuc: number | null;
}

/** A closed performance window, or the part of it that one version predicted. */
export interface WindowFinding {
  /** UTC ms. */
  readonly windowStart: number;
  readonly windowEnd: number;
  /** Event time at which it was judged, UTC ms. */
  readonly knownAt: number;
  readonly rows: number;
  /** NaN: too few rows, or too small a part of the window. */
  readonly auc: number;
  readonly alarm: boolean;
}

export interface ModelFinding {
  readonly version: string;
  readonly promoted: boolean;
  readonly reason: string;
  /** UTC ms. */
  readonly cutoff: number;
  readonly effectiveFrom: number;
  readonly trainedOn: number;
  readonly holdoutAuc: number | null;
  readonly championAuc: number | null;
  /** First and last departure among the rows that it was fitted on, UTC ms; NaN: there are none. */
  readonly firstDeparture: number;
  readonly lastDeparture: number;
}

/** What a run left behind, as far as the scenarios ask. */
export interface Findings {
  readonly days: readonly DayFinding[];
  readonly windows: readonly WindowFinding[];
  /** By cutoff. */
  readonly models: readonly ModelFinding[];
  /** In force when the disturbance began; null: none was. */
  readonly oldChampion: string | null;
  /** Its AUC over all labelled flights since then. */
  readonly oldChampionAuc: number | null;
}
